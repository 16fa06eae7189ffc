//! DPM-Solver++(2S) with ancestral noise. Second order where it is deterministic (`eta` = 0).
//!
//! k-diffusion, `sample_dpmpp_2s_ancestral`: the data form of Lu et al. 2022,
//! <https://arxiv.org/abs/2211.01095>, Algorithm 1 with `r` = 1/2, from `rho_s` down to `rho_down` (see
//! [`super::euler`]), in `y = x / alpha`, with `h = ln(rho_s / rho_down)`:
//!
//! ```text
//! rho_m = sqrt(rho_s rho_down)
//! y_m   = (rho_m / rho_s) y_s − expm1(−h / 2) denoised(y_s, rho_s)
//! y_t   = (rho_down / rho_s) y_s − expm1(−h) denoised(y_m, rho_m) + s_noise · rho_up · noise
//! ```
//!
//! Two evaluations a step. A step to a clean sample is Euler's, which takes one; where a budget leaves another
//! one over, the step before is Euler's too.

use super::combination::{m, noise, x};
use super::euler::ancestral;
use super::options::{self, FINAL_SIGMAS, OptionSpec, S_NOISE};
use super::problem::{Problem, Value, stages_within};
use super::{NoiseLevel, Solver, StepPlan};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpmPp2sAncestral;

impl Solver for DpmPp2sAncestral {
    fn name(&self) -> &'static str {
        "dpmpp-2s-a"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["dpmpp-2s-ancestral"]
    }

    fn order(&self) -> usize {
        2
    }

    fn options(&self) -> &'static [OptionSpec] {
        const OPTIONS: &[OptionSpec] = &[options::eta(1.0), S_NOISE, FINAL_SIGMAS];
        OPTIONS
    }

    fn stages(&self, evaluations: usize, ends_clean: bool) -> Result<Vec<usize>> {
        Ok(stages_within(evaluations, 2, ends_clean))
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let mut steps = Vec::new();
        for ((timestep, level, next), &stages) in problem.grid.steps().zip(problem.stages) {
            let rho = level.sigma_over_alpha();
            let (down, up) = ancestral(level, next, problem.settings.eta_or(1.0));
            // 1 − rho_to / rho_s is −expm1(−h) without a logarithm of 0.
            let to = |alpha: f64, rho_to: f64, back: usize| {
                (alpha / level.alpha * rho_to / rho) * x(back) + alpha * (1.0 - rho_to / rho) * m(0)
            };
            let mut update = to(next.alpha, down, stages - 1);
            if up > 0.0 {
                update = update + problem.settings.s_noise * next.alpha * up * noise();
            }
            if stages == 1 {
                steps.push(problem.evaluation(timestep, level, Value::Denoised, update)?);
                continue;
            }
            let middle = NoiseLevel::from_sigma((rho * down).sqrt());
            let to_middle = to(middle.alpha, middle.sigma_over_alpha(), 0);
            steps.push(problem.evaluation(timestep, level, Value::Denoised, to_middle)?);
            let timestep = problem.schedule.timestep_from_sigma(middle.sigma_over_alpha());
            steps.push(problem.evaluation(timestep, middle, Value::Denoised, update)?);
        }
        Ok(steps)
    }
}
