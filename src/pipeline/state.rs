//! Where a run stands, apart from what its options say: what another run needs to go on from there.

use std::fmt::Display;

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
    /// Errors unless a state with `given` values is one of a run that has `needed`.
    pub fn check_values(given: usize, needed: usize) -> Result<()> {
        if given == needed {
            return Ok(());
        }
        Err(Self::refused(
            format!("with the {needed} values of a run of these options"),
            format!("with {given}"),
        ))
    }

    /// The error for a state that no run with these options had: `accepted` and `value` say how it is, "with ...".
    pub(crate) fn refused(accepted: impl Display, value: impl Display) -> Error {
        Error::InvalidOption {
            option: "state",
            accepted: format!("one {accepted}"),
            value: format!("one {value}"),
        }
    }
}
