//! DDIM: denoising diffusion implicit models. First order.
//!
//! Song et al. 2020, <https://arxiv.org/abs/2010.02502>, Eqs. (12) and (16). With `s` the level of the
//! evaluation, `t` the next one, and `tau = eta · sqrt((sigma_t² / sigma_s²) (1 − alpha_s² / alpha_t²))`:
//!
//! ```text
//! x_t = alpha_t · denoised + sqrt(sigma_t² − tau²) · epsilon + tau · noise,   epsilon = (x_s − alpha_s · denoised) / sigma_s
//! ```
//!
//! `eta` = 0 is deterministic, 1 is the ancestral sampling of DDPM.

use super::{Grid, NoiseLevel, Schedule, SchedulerConfig, Solver, Source, Spacing, StepPlan, timesteps};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ddim {
    /// How much fresh noise a step adds, `0..=1`.
    pub eta: f64,
}

impl Solver for Ddim {
    fn name(&self) -> &'static str {
        "ddim"
    }

    /// As diffusers' DDIMScheduler for `leading` and `trailing`. Its `linspace` evaluates the network at other
    /// levels than it steps to, and starts at timestep 0 when there is one step; so for `linspace` this is the
    /// grid of the multistep solvers, as it is for `karras`, which DDIMScheduler lacks.
    fn grid(&self, schedule: &Schedule, spacing: Spacing, num_inference_steps: usize) -> Result<Grid> {
        timesteps::single_step_grid(schedule, spacing, num_inference_steps)
    }

    fn steps(&self, config: &SchedulerConfig, grid: &Grid) -> Result<Vec<StepPlan>> {
        let step = |(timestep, level, next): (f64, NoiseLevel, NoiseLevel)| {
            let denoised = config.prediction_type.denoised(level)?;
            let ratio = level.alpha / next.alpha;
            let tau = self.eta * next.sigma / level.sigma * (1.0 - ratio * ratio).max(0.0).sqrt();
            // Rounding may put tau above sigma_t where both vanish.
            let direction = (next.sigma * next.sigma - tau * tau).max(0.0).sqrt();
            // alpha_t − direction · alpha_s / sigma_s without the cancellation of short steps: its part
            // without noise is −alpha_t expm1(−h), and sigma_t − direction = tau² / (sigma_t + direction).
            let h = next.lambda() - level.lambda();
            let mut of_denoised = -next.alpha * (-h).exp_m1();
            if tau > 0.0 {
                of_denoised += tau * tau / (next.sigma + direction) * level.alpha / level.sigma;
            }
            let mut update =
                vec![(Source::Sample, direction / level.sigma), (Source::ModelValue(0), of_denoised)];
            if tau > 0.0 {
                update.push((Source::Noise, tau));
            }
            Ok(StepPlan { timestep, model_input_scale: 1.0, model_value: denoised, denoised, update })
        };
        grid.steps().map(step).collect()
    }
}
