//! DDIM: denoising diffusion implicit models. First order.
//!
//! Song et al. 2020, <https://arxiv.org/abs/2010.02502>, Eqs. (12) and (16). With `s` the level of the
//! evaluation, `t` the next one, and `tau = eta · sqrt((sigma_t² / sigma_s²) (1 − alpha_s² / alpha_t²))`:
//!
//! ```text
//! x_t = alpha_t · denoised + sqrt(sigma_t² − tau²) · epsilon + tau · noise,   epsilon = (x_s − alpha_s · denoised) / sigma_s
//! ```
//!
//! `eta` = 0 is deterministic, 1 is the ancestral sampling of DDPM (Ho et al. 2020,
//! <https://arxiv.org/abs/2006.11239>, Eqs. (6) and (7), with the lower of its two variances), here `ddpm`.
//! One evaluation a step, so a budget is used up.

use super::combination::{m, noise, x};
use super::options::{self, FINAL_SIGMAS, OptionSpec, S_NOISE};
use super::problem::{Problem, Value};
use super::{Grid, NoiseLevel, Schedule, Solver, Spacing, StepPlan, timesteps};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ddim {
    pub(super) name: &'static str,
    /// How much fresh noise a step adds if the caller does not say, `0..=1`.
    pub(super) eta: f64,
}

/// Deterministic unless `eta` says otherwise.
pub const DDIM: Ddim = Ddim { name: "ddim", eta: 0.0 };
/// Ancestral sampling.
pub const DDPM: Ddim = Ddim { name: "ddpm", eta: 1.0 };

impl Solver for Ddim {
    fn name(&self) -> &'static str {
        self.name
    }

    fn order(&self) -> usize {
        1
    }

    fn options(&self) -> &'static [OptionSpec] {
        const ZERO: &[OptionSpec] = &[options::eta(0.0), S_NOISE, FINAL_SIGMAS];
        const ONE: &[OptionSpec] = &[options::eta(1.0), S_NOISE, FINAL_SIGMAS];
        if self.eta == 0.0 { ZERO } else { ONE }
    }

    /// As diffusers' DDIMScheduler for `leading` and `trailing`. Its `linspace` evaluates the network at other
    /// levels than it steps to, and starts at timestep 0 when there is one step; so for `linspace` this is the
    /// grid of the multistep solvers, as it is for the spacings that DDIMScheduler lacks.
    fn grid(&self, schedule: &Schedule, spacing: Spacing, stages: &[usize]) -> Result<Grid> {
        timesteps::single_step_grid(schedule, spacing, stages.len(), Schedule::level)
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let eta = problem.settings.eta_or(self.eta);
        let step = |(timestep, level, next): (f64, NoiseLevel, NoiseLevel)| {
            let ratio = level.alpha / next.alpha;
            let tau = eta * next.sigma / level.sigma * (1.0 - ratio * ratio).max(0.0).sqrt();
            // Rounding may put tau above sigma_t where both vanish.
            let direction = (next.sigma * next.sigma - tau * tau).max(0.0).sqrt();
            // alpha_t − direction · alpha_s / sigma_s without the cancellation of short steps: its part
            // without noise is −alpha_t expm1(−h), and sigma_t − direction = tau² / (sigma_t + direction).
            let h = next.lambda() - level.lambda();
            let mut of_denoised = -next.alpha * (-h).exp_m1();
            if tau > 0.0 {
                of_denoised += tau * tau / (next.sigma + direction) * level.alpha / level.sigma;
            }
            let mut update = direction / level.sigma * x(0) + of_denoised * m(0);
            if tau > 0.0 {
                update = update + problem.settings.s_noise * tau * noise();
            }
            problem.evaluation(timestep, level, Value::Denoised, update)
        };
        problem.grid.steps().map(step).collect()
    }
}
