//! Noise that is added before a step, to be taken away by it.
//!
//! Karras et al. 2022, <https://arxiv.org/abs/2206.00364>, Algorithm 2: with `n` steps, before a step from
//! `rho_s` in `s_tmin..=s_tmax`, in `y = x / alpha`,
//!
//! ```text
//! rho_hat = rho_s (1 + min(s_churn / n, sqrt(2) − 1))
//! y_hat   = y_s + sqrt(rho_hat² − rho_s²) s_noise · noise
//! ```
//!
//! and the step starts from there, with the network evaluated at the timestep of `rho_hat`. (diffusers tells it
//! the timestep of `rho_s`.) Nothing is added before the first step, whose sample is all noise.

use super::NoiseLevel;
use super::combination::{Combination, noise};
use super::problem::Problem;

/// The level and the timestep that step `index` starts from.
pub(super) fn start(problem: &Problem<'_>, index: usize) -> (NoiseLevel, f64) {
    let level = problem.grid.level(index);
    let rho = level.sigma_over_alpha();
    let settings = &problem.settings;
    let inside = (settings.s_tmin..=settings.s_tmax).contains(&rho);
    if settings.s_churn == 0.0 || index == 0 || !inside {
        return (level, problem.grid.timestep(index));
    }
    let gamma = (settings.s_churn / problem.stages.len() as f64).min(std::f64::consts::SQRT_2 - 1.0);
    let noisier = rho * (1.0 + gamma);
    (NoiseLevel::from_sigma(noisier), problem.schedule.timestep_from_sigma(noisier))
}

/// `sample` at the end of step `index`, with the noise that the next step starts with.
pub(super) fn before_next(problem: &Problem<'_>, index: usize, sample: Combination) -> Combination {
    if index + 1 == problem.stages.len() {
        return sample;
    }
    let level = problem.grid.level(index + 1);
    let (noisier, _) = start(problem, index + 1);
    let (rho, rho_hat) = (level.sigma_over_alpha(), noisier.sigma_over_alpha());
    if noisier == level {
        return sample;
    }
    let added = problem.settings.s_noise * (rho_hat * rho_hat - rho * rho).sqrt();
    (noisier.alpha / level.alpha) * sample + noisier.alpha * added * noise()
}
