//! What the device complained about since somebody last asked.
//!
//! WebGPU reports mistakes, exhausted memory and loss of the device on the side, not where they happen. They are
//! recorded here and become errors at the next submit or read.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use crate::error::{Error, Result};

#[derive(Default)]
struct State {
    /// Stays: a lost device does not come back.
    lost: Option<String>,
    /// The first complaint not yet reported; those after it are mostly its consequences.
    error: Option<Error>,
    /// Who waits for something that a lost device will never deliver.
    waker: Option<Waker>,
}

/// A record of complaints, shared with the device's callbacks.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<State>>);

impl Faults {
    /// Records the loss of the device.
    pub fn lose(&self, message: String) {
        let waker = {
            let mut state = self.state();
            state.lost.get_or_insert(message);
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Records an error.
    pub fn record(&self, error: Error) {
        self.state().error.get_or_insert(error);
    }

    /// Reports what was recorded: a loss every time, an error once.
    pub fn check(&self) -> Result<()> {
        let mut state = self.state();
        if let Some(message) = &state.lost {
            return Err(Error::DeviceLost { message: message.clone() });
        }
        state.error.take().map_or(Ok(()), Err)
    }

    /// Whether the device is lost.
    #[cfg(all(target_arch = "wasm32", feature = "web"))]
    pub fn is_lost(&self) -> bool {
        self.state().lost.is_some()
    }

    /// Whether the device is lost; if not, wakes the task when it is.
    pub fn poll_lost(&self, context: &Context<'_>) -> bool {
        let mut state = self.state();
        state.waker = Some(context.waker().clone());
        state.lost.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
