//! DPM2, and DPM2 with ancestral noise: the midpoint rule, with the middle taken in `ln rho`. Second order.
//!
//! In `y = x / alpha` over `rho = sigma / alpha` (k-diffusion, `sample_dpm_2` and `sample_dpm_2_ancestral`, after
//! Karras et al. 2022, Algorithm 2), with `rho_down` and `rho_up` as in [`super::euler`] and `rho_t` for
//! `rho_down` without noise:
//!
//! ```text
//! rho_m = sqrt(rho_s rho_down)
//! y_m   = y_s + (rho_m − rho_s) epsilon(y_s, rho_s)
//! y_t   = y_s + (rho_down − rho_s) epsilon(y_m, rho_m) + s_noise · rho_up · noise
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
pub struct Dpm2 {
    ancestral: bool,
}

/// Deterministic.
pub const DPM2: Dpm2 = Dpm2 { ancestral: false };
/// With fresh noise at each step.
pub const DPM2_ANCESTRAL: Dpm2 = Dpm2 { ancestral: true };

impl Solver for Dpm2 {
    fn name(&self) -> &'static str {
        if self.ancestral { "dpm2-a" } else { "dpm2" }
    }

    fn aliases(&self) -> &'static [&'static str] {
        if self.ancestral {
            &["dpm-2-ancestral", "dpm2-ancestral", "kdpm2ancestraldiscrete"]
        } else {
            &["dpm-2", "kdpm2discrete"]
        }
    }

    fn order(&self) -> usize {
        2
    }

    fn options(&self) -> &'static [OptionSpec] {
        const ANCESTRAL: &[OptionSpec] = &[options::eta(1.0), S_NOISE, FINAL_SIGMAS];
        if self.ancestral { ANCESTRAL } else { &[FINAL_SIGMAS] }
    }

    fn stages(&self, evaluations: usize, ends_clean: bool) -> Result<Vec<usize>> {
        Ok(stages_within(evaluations, 2, ends_clean))
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let eta = if self.ancestral { problem.settings.eta_or(1.0) } else { 0.0 };
        let mut steps = Vec::new();
        for ((timestep, level, next), &stages) in problem.grid.steps().zip(problem.stages) {
            let rho = level.sigma_over_alpha();
            let (down, up) = ancestral(level, next, eta);
            let to = |alpha: f64, rho_to: f64, back: usize| {
                (alpha / level.alpha) * x(back) + alpha * (rho_to - rho) * m(0)
            };
            let mut update = to(next.alpha, down, stages - 1);
            if up > 0.0 {
                update = update + problem.settings.s_noise * next.alpha * up * noise();
            }
            if stages == 1 {
                steps.push(problem.evaluation(timestep, level, Value::Epsilon, update)?);
                continue;
            }
            let middle = NoiseLevel::from_sigma((rho * down).sqrt());
            let to_middle = to(middle.alpha, middle.sigma_over_alpha(), 0);
            steps.push(problem.evaluation(timestep, level, Value::Epsilon, to_middle)?);
            let timestep = problem.schedule.timestep_at(middle);
            steps.push(problem.evaluation(timestep, middle, Value::Epsilon, update)?);
        }
        Ok(steps)
    }
}
