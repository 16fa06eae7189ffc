//! Guidance on two threads: somebody else evaluates the half without the prompt while this thread evaluates the
//! other.

#[cfg(feature = "cpu")]
use std::cell::RefCell;
use std::pin::Pin;
#[cfg(feature = "cpu")]
use std::rc::Rc;

use crate::error::Result;

/// What the UNet reads for one half of guidance's batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Half {
    /// `[1, h, w, C]`, scaled as the network takes it.
    pub sample: Vec<f32>,
    /// Of the run's evaluations, as many as a UNet is prepared for at once.
    pub timesteps: Vec<f32>,
    /// Which of them this half is at.
    pub step: usize,
    /// `[1, L, D]`.
    pub encoder_hidden_states: Vec<f32>,
    /// Pixels.
    pub width: usize,
    pub height: usize,
}

/// `model_output [1, h, w, C]` on its way.
pub type Answer = Pin<Box<dyn Future<Output = Result<Vec<f32>>>>>;

/// Evaluates a model's UNet elsewhere.
pub trait Partner {
    /// Begins at once. The answer is first polled when the other half is done; one that is dropped is not wanted any
    /// more.
    fn begin(&self, half: Half) -> Answer;
}

/// A model's partner, as long as there is one. Its runs share it. A module for GPUs alone holds nothing of this.
#[derive(Clone, Default)]
pub(super) struct Pairing(#[cfg(feature = "cpu")] Rc<RefCell<Option<Rc<dyn Partner>>>>);

#[cfg(feature = "cpu")]
impl Pairing {
    pub fn set(&self, partner: Rc<dyn Partner>) {
        *self.0.borrow_mut() = Some(partner);
    }

    pub fn get(&self) -> Option<Rc<dyn Partner>> {
        self.0.borrow().clone()
    }

    /// Goes on alone.
    pub fn end(&self) {
        *self.0.borrow_mut() = None;
    }
}
