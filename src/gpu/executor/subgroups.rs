//! Whether norms may add up by subgroups.

use super::Gpu;
use crate::error::Result;
use crate::executor::Executor;
use crate::gpu::kernels::{Binding, subgroup_order};
use crate::gpu::sequence::Sequence;

impl Gpu {
    /// Goes without subgroups unless the device's are of threads that follow each other: WGSL leaves that open.
    pub(super) async fn check_subgroups(&self) -> Result<()> {
        let device = &self.0.device;
        let Some(subgroup) = device.subgroup() else { return Ok(()) };
        let y = self.tensor(&[subgroup_order::THREADS])?;
        let dispatch = subgroup_order::dispatch(subgroup, Binding::Buffer(y.buffer().clone()));
        let (bound, _params) = self.bind_one(&dispatch).await?;
        let sequence = Sequence::new(device, vec![bound], vec![subgroup_order::THREADS as u64]);
        self.send(&[(&sequence, 0..1)]);
        if self.read(&y).await? != subgroup_order::plain() {
            device.give_up_subgroups();
        }
        Ok(())
    }
}
