//! What the device complained about since somebody last asked.
//!
//! WebGPU reports mistakes, exhausted memory and loss of the device on the side, not where they happen. They are
//! recorded here and become errors at the next submit or read.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};

#[derive(Default)]
struct State {
    /// Stays: a lost device does not come back.
    lost: Option<String>,
    /// The first complaint not yet reported; those after it are mostly its consequences.
    error: Option<Error>,
}

/// A record of complaints, shared with the device's callbacks.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// Records the loss of the device.
    pub fn lose(&self, message: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).lost.get_or_insert(message);
    }

    /// Records an error.
    pub fn record(&self, error: Error) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).error.get_or_insert(error);
    }

    /// Reports what was recorded: a loss every time, an error once.
    pub fn check(&self) -> Result<()> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(message) = &state.lost {
            return Err(Error::DeviceLost { message: message.clone() });
        }
        state.error.take().map_or(Ok(()), Err)
    }
}
