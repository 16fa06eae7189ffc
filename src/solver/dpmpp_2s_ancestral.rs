//! DPM-Solver++(2S) with ancestral noise, and with noise in the middle of a step too, which is DPM-Solver++ (SDE).
//! Second order where they are deterministic (`eta` = 0).
//!
//! k-diffusion, `sample_dpmpp_2s_ancestral` and `sample_dpmpp_sde`: the data form of Lu et al. 2022,
//! <https://arxiv.org/abs/2211.01095>, Algorithm 1 with `r` = 1/2, from `rho_s` down to `rho_down` (see
//! [`super::euler`]), in `y = x / alpha`, with `h = ln(rho_s / rho_down)`:
//!
//! ```text
//! rho_m = sqrt(rho_s rho_down)
//! y_m   = (rho_m / rho_s) y_s − expm1(−h / 2) denoised(y_s, rho_s)
//! y_t   = (rho_down / rho_s) y_s − expm1(−h) denoised(y_m, rho_m) + s_noise · rho_up · noise
//! ```
//!
//! `dpmpp-sde` has `rho_m = sqrt(rho_s rho_t)` and goes there with the noise of an ancestral step of its own:
//!
//! ```text
//! y_m   = (rho_m_down / rho_s) y_s + (1 − rho_m_down / rho_s) denoised(y_s, rho_s) + s_noise · rho_m_up · noise
//! ```
//!
//! Both of its noises are increments of one Brownian path from `rho_s` on, so the second has the first in it; with
//! independent ones it would be of weak order 1.
//!
//! Two evaluations a step. A step to a clean sample is Euler's, which takes one; where a budget leaves another
//! one over, the step before is Euler's too.

use super::combination::{Combination, m, noise, x};
use super::euler::ancestral;
use super::options::{self, FINAL_SIGMAS, OptionSpec, S_NOISE};
use super::problem::{Problem, Value, stages_within};
use super::{NoiseLevel, Solver, StepPlan};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpmPp2sAncestral {
    noisy_middle: bool,
}

/// DPM++ 2S a.
pub const DPMPP_2S_ANCESTRAL: DpmPp2sAncestral = DpmPp2sAncestral { noisy_middle: false };
/// DPM++ SDE.
pub const DPMPP_SDE: DpmPp2sAncestral = DpmPp2sAncestral { noisy_middle: true };

impl Solver for DpmPp2sAncestral {
    fn name(&self) -> &'static str {
        if self.noisy_middle { "dpmpp-sde" } else { "dpmpp-2s-a" }
    }

    fn aliases(&self) -> &'static [&'static str] {
        if self.noisy_middle { &["dpmsolversde"] } else { &["dpmpp-2s-ancestral"] }
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
            let (eta, s_noise) = (problem.settings.eta_or(1.0), problem.settings.s_noise);
            let (down, up) = ancestral(level, next, eta);
            // 1 − rho_to / rho_s is −expm1(−h) without a logarithm of 0.
            let to = |alpha: f64, rho_to: f64, back: usize| {
                (alpha / level.alpha * rho_to / rho) * x(back) + alpha * (1.0 - rho_to / rho) * m(0)
            };
            let with_noise = |update: Combination, alpha: f64, up: f64| {
                if up > 0.0 { update + s_noise * alpha * up * noise() } else { update }
            };
            let update = with_noise(to(next.alpha, down, stages - 1), next.alpha, up);
            let mut add = |timestep, at: NoiseLevel, update, end: NoiseLevel| -> Result<()> {
                let mut step = problem.evaluation(timestep, at, Value::Denoised, update)?;
                step.noise_span = problem.noise_span(level, end).filter(|_| self.noisy_middle && up > 0.0);
                steps.push(step);
                Ok(())
            };
            if stages == 1 {
                add(timestep, level, update, next)?;
                continue;
            }
            let middle_rho = (rho * if self.noisy_middle { next.sigma_over_alpha() } else { down }).sqrt();
            let middle = NoiseLevel::from_sigma(middle_rho);
            let (down, up) =
                if self.noisy_middle { ancestral(level, middle, eta) } else { (middle_rho, 0.0) };
            add(timestep, level, with_noise(to(middle.alpha, down, 0), middle.alpha, up), middle)?;
            add(problem.schedule.timestep_from_sigma(middle_rho), middle, update, next)?;
        }
        Ok(steps)
    }
}
