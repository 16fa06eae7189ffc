//! A model's UNet by itself: what a partner evaluates with.

use std::cell::RefCell;
use std::rc::Rc;

use super::networks::{Networks, Size};
use super::partner::Half;
use super::ports::{input, output};
use super::recent::Recent;
use crate::error::Result;
use crate::executor::{Command, Executor};

/// A UNet on a device, without text encoder and decoder.
pub struct Evaluator<E: Executor> {
    executor: Rc<E>,
    networks: Networks,
    weights: E::Weights,
    plans: Recent<Prepared<E>>,
}

/// A plan, and the text and timesteps that it is prepared for.
struct Prepared<E: Executor> {
    plan: E::Plan,
    encoder_hidden_states: RefCell<Vec<f32>>,
    timesteps: RefCell<Vec<f32>>,
}

impl<E: Executor> Evaluator<E> {
    pub(super) fn new(executor: Rc<E>, networks: Networks, weights: E::Weights) -> Self {
        Self { executor, networks, weights, plans: Recent::default() }
    }

    /// `model_output [1, h, w, C]` of one half. It is computed as a run computes it that evaluates its halves one after
    /// the other: equal in every bit.
    ///
    /// Errors: the half has other shapes than its size implies, memory is short.
    pub async fn evaluate(&self, half: &Half) -> Result<Vec<f32>> {
        let executor = self.executor.as_ref();
        let plan = self.plan(self.networks.size(1, half.width, half.height)).await?;
        let unet = &plan.plan;
        executor.write(input::<E>(executor, unet, "sample"), &half.sample)?;
        executor.write(input::<E>(executor, unet, "step"), &[half.step as f32])?;
        if *plan.encoder_hidden_states.borrow() != half.encoder_hidden_states
            || *plan.timesteps.borrow() != half.timesteps
        {
            plan.encoder_hidden_states.take();
            let encoder_hidden_states = input::<E>(executor, unet, "encoder_hidden_states");
            executor.write(encoder_hidden_states, &half.encoder_hidden_states)?;
            executor.write(input::<E>(executor, unet, "timesteps"), &half.timesteps)?;
            executor.submit(&[Command::Prepare(unet)])?;
            plan.encoder_hidden_states.replace(half.encoder_hidden_states.clone());
            plan.timesteps.replace(half.timesteps.clone());
        }
        executor.submit_in_pieces(&[Command::Evaluate(unet)]).await?;
        executor.read(output::<E>(executor, unet, "model_output")).await
    }

    /// Prepares a size, pixels: the first evaluation of it then does not have to.
    pub(super) async fn prepare(&self, width: usize, height: usize) -> Result<()> {
        self.plan(self.networks.size(1, width, height)).await.map(drop)
    }

    async fn plan(&self, size: Size) -> Result<Rc<Prepared<E>>> {
        if let Some(plan) = self.plans.get(size) {
            return Ok(plan);
        }
        let plan = self.executor.plan(&self.networks.unet_for_a_run(size)?, &self.weights).await?;
        let (encoder_hidden_states, timesteps) = (RefCell::default(), RefCell::default());
        Ok(self.plans.add(size, Prepared { plan, encoder_hidden_states, timesteps }))
    }
}
