//! What a method plans for, and the shapes that plans of many methods share.

use super::combination::Combination;
use super::{Grid, LinearMap, NoiseLevel, NoiseSampler, PredictionType, Schedule, Settings, StepPlan};
use crate::error::Result;

/// Below this many steps `lower_order_final` lowers the order at the end; diffusers' number.
const FEW_STEPS: usize = 15;

/// What a method plans for.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    pub schedule: &'a Schedule,
    pub settings: Settings,
    /// The levels of the solver's steps; of the evaluations, for methods whose stages lie on the grid.
    pub grid: &'a Grid,
    /// Evaluations of each solver step.
    pub stages: &'a [usize],
}

/// What a method keeps of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// The estimate of the clean sample.
    Denoised,
    /// The estimate of the noise, which is `dy/drho` in `y = x / alpha`, `rho = sigma / alpha`.
    Epsilon,
    /// `epsilon − x_0`, which is `d(x / (alpha + sigma)) / ds`: the velocity of flow matching.
    Velocity,
}

/// An evaluation at `level` that goes on by `update`.
pub(super) fn evaluation(
    schedule: &Schedule,
    prediction_type: PredictionType,
    timestep: f64,
    level: NoiseLevel,
    value: Value,
    update: Combination,
) -> Result<StepPlan> {
    let (denoised, epsilon) = (prediction_type.denoised(level)?, prediction_type.epsilon(level));
    let model_value = match value {
        Value::Denoised => denoised,
        Value::Epsilon => epsilon,
        Value::Velocity => LinearMap {
            sample: epsilon.sample - denoised.sample,
            model_output: epsilon.model_output - denoised.model_output,
        },
    };
    Ok(StepPlan {
        timestep: schedule.time_input(timestep, level),
        level,
        model_input_scale: prediction_type.model_input_scale(level),
        model_value,
        denoised,
        noise_span: None,
        correction: Vec::new(),
        update: update.terms(),
    })
}

impl Problem<'_> {
    /// An evaluation at `level` that goes on by `update`.
    pub(super) fn evaluation(
        &self,
        timestep: f64,
        level: NoiseLevel,
        value: Value,
        update: Combination,
    ) -> Result<StepPlan> {
        evaluation(self.schedule, self.settings.prediction_type, timestep, level, value, update)
    }

    /// Where the noise between two levels lies on the Brownian path, if it is taken from one.
    pub(super) fn noise_span(&self, level: NoiseLevel, next: NoiseLevel) -> Option<[f64; 2]> {
        let span = [level.path_time(), next.path_time()];
        (self.settings.noise_sampler == NoiseSampler::Brownian && span[0] < span[1]).then_some(span)
    }

    /// The network's time input at `level`: that of entry `index` of the grid, where it is that entry's level.
    pub(super) fn timestep(&self, index: usize, level: NoiseLevel) -> f64 {
        if index < self.grid.len() && self.grid.level(index) == level {
            self.grid.timestep(index)
        } else {
            self.schedule.timestep_at(level)
        }
    }

    /// The order of step `index` of a multistep method whose steps are one evaluation each: bounded by the
    /// history; first order where `h` is 0 or infinite, or where the options say so; lower over the last two
    /// steps of a short run, as in diffusers.
    pub(super) fn multistep_order(&self, order: usize, index: usize, next: NoiseLevel) -> usize {
        let count = self.grid.len();
        let level = self.grid.level(index);
        let short = self.settings.lower_order_final && count < FEW_STEPS;
        let left = count - index;
        let final_order = match left {
            1 if self.settings.euler_at_final || short || next.sigma == 0.0 || next == level => 1,
            2 if short => 2,
            _ => order,
        };
        order.min(index + 1).min(final_order)
    }
}

/// Evaluations of each solver step of a method of `stages` evaluations a step, for a budget: as many whole
/// steps as fit, then what remains in one step with fewer. Where the run ends at a clean sample the last step
/// has one evaluation, because there is no level beyond to evaluate at.
pub(super) fn stages_within(evaluations: usize, stages: usize, ends_clean: bool) -> Vec<usize> {
    let last = usize::from(ends_clean && evaluations > 0);
    let before = evaluations - last;
    let mut steps = vec![stages; before / stages];
    steps.extend(Some(before % stages).filter(|&rest| rest > 0));
    steps.extend((last > 0).then_some(1));
    steps
}

/// `x` moved from `level` to `next` along `epsilon`: Euler's method in `y = x / alpha` over
/// `rho = sigma / alpha`, and DDIM.
pub(super) fn transfer(
    level: NoiseLevel,
    next: NoiseLevel,
    x: Combination,
    epsilon: Combination,
) -> Combination {
    let from_rho = level.sigma_over_alpha();
    (next.alpha / level.alpha) * x + next.alpha * (next.sigma_over_alpha() - from_rho) * epsilon
}
