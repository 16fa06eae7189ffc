//! Where a run stands, apart from what its options say: what another run needs to go on from there.

use crate::error::{Error, Result};

/// Small enough to be kept at every step: some tensors of the latents' size.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunState {
    /// Network evaluations done.
    pub evaluations: usize,
    /// With an adaptive solver, the error of each attempt so far: what it was judged by.
    pub errors: Vec<f64>,
    /// The solver's samples, its model values and the latest estimate of the latents; with an adaptive solver also the
    /// sample of the attempt before. `[1, h, w, C]` each, channels last.
    pub values: Vec<f32>,
}

impl RunState {
    /// Errors if there are not exactly `values` numbers.
    pub(super) fn check(&self, values: usize) -> Result<()> {
        if self.values.len() == values {
            return Ok(());
        }
        Err(Error::InvalidOption {
            option: "state",
            accepted: format!("one with the {values} values of a run of these options"),
            value: format!("one with {}", self.values.len()),
        })
    }
}
