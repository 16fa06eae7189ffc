//! Where a run stands: as a state that it can be taken up from, and in the reports of its steps.

use super::super::ports::output;
use super::super::state::RunState;
use super::{Run, StepReport};
use crate::error::Result;
use crate::executor::Executor;
use crate::image::Image;

/// A read-back under way, and where the run stood when it began.
pub(super) struct Pending<E: Executor> {
    readback: E::Readback,
    pub(super) evaluations: usize,
    errors: usize,
    before: Vec<f32>,
}

impl<E: Executor> Run<E> {
    /// Where the run stands now: what [`Run::restore`] of another run with the same options and model goes on from.
    pub async fn state(&self) -> Result<RunState> {
        let mut values = Vec::new();
        for tensor in self.tensors() {
            values.extend(self.executor.read(tensor).await?);
        }
        values.extend(self.sampling.before());
        let (evaluations, errors) = (self.sampling.evaluations, self.sampling.errors().to_vec());
        Ok(RunState { evaluations, errors, values })
    }

    /// How many values a state of this run has.
    pub fn state_values(&self) -> usize {
        let tensors = self.tensors().count() + usize::from(self.sampling.is_adaptive());
        tensors * self.plans.size.latent_elements()
    }

    /// Takes a run to where another with the same options and model stood.
    ///
    /// Errors: no run with these options can have stood there ([`crate::Error::InvalidOption`], [`crate::Error::NotFinite`]). The run is
    /// then as it was made, or not to be used.
    pub fn restore(&mut self, state: &RunState) -> Result<()> {
        RunState::check_values(state.values.len(), self.state_values())?;
        // What is on its way is of another course.
        self.pending.clear();
        let elements = self.plans.size.latent_elements();
        self.sampling.replay(state.evaluations, &state.errors)?;
        let mut values = state.values.chunks_exact(elements);
        for (tensor, values) in self.tensors().zip(&mut values) {
            self.executor.write(tensor, values)?;
        }
        if let Some(before) = values.next() {
            self.sampling.start_from(before);
        }
        self.arrived = state.clone();
        Ok(())
    }

    /// What a state holds, in its order.
    pub(super) fn tensors(&self) -> impl Iterator<Item = &E::Tensor> {
        self.samples.iter().chain(&self.history).chain(std::iter::once(&self.denoised))
    }

    /// Sends the state to the host, and the preview after it.
    pub(super) fn begin_report(&mut self) -> Result<()> {
        let preview = self.plans.preview.as_ref().map(|plan| output::<E>(&self.executor, plan, "preview"));
        let tensors: Vec<&E::Tensor> = self.tensors().chain(preview).collect();
        if let Some(readback) = self.executor.begin_read(&tensors)? {
            self.pending.push(Pending {
                readback,
                evaluations: self.sampling.evaluations,
                errors: self.sampling.errors().len(),
                before: self.sampling.before().to_vec(),
            });
        }
        Ok(())
    }

    /// The newest report that has arrived; older ones are dropped.
    pub(super) async fn latest_report(&mut self) -> Result<StepReport> {
        let mut latest = None;
        let mut waiting = Vec::new();
        for mut pending in self.pending.drain(..) {
            match self.executor.try_read(&mut pending.readback).await? {
                Some(values) => latest = Some((pending, values)),
                None => waiting.push(pending),
            }
        }
        self.pending = waiting;
        let Some((pending, mut values)) = latest else { return Ok(StepReport::default()) };
        let preview = values.split_off(self.tensors().count() * self.plans.size.latent_elements());
        values.extend(pending.before);
        let errors = self.sampling.errors()[..pending.errors].to_vec();
        self.arrived = RunState { evaluations: pending.evaluations, errors, values };
        let (width, height) = (self.plans.size.latent_width, self.plans.size.latent_height);
        let preview = match self.plans.preview {
            Some(_) => Some(Image::from_decoded(&preview, width, height, self.image_format, "the preview")?),
            None => None,
        };
        Ok(StepReport { preview, state: Some(self.arrived.clone()) })
    }
}
