//! Whether a device's subgroups are of threads that follow each other; see subgroup_order.wgsl.

use super::{Binding, Dispatch, Kernel, Variant};

/// Threads of the one workgroup, and elements of `y`.
pub const THREADS: usize = 256;

/// Asks about blocks of `subgroup` threads. Writes `y`.
pub fn dispatch(subgroup: u32, y: Binding) -> Dispatch {
    Dispatch {
        variant: Variant::of(Kernel::SubgroupOrder).size("STEPS", subgroup.ilog2()),
        bindings: vec![y],
        params: vec![1],
        workgroups: [1, 1, 1],
    }
}

/// The twin: what a device answers whose subgroups are in order.
pub fn plain() -> Vec<f32> {
    vec![1.0; THREADS]
}
