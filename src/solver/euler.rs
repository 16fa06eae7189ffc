//! Euler's method, and Euler's method with ancestral noise. First order.
//!
//! In `y = x / alpha` over `rho = sigma / alpha` (k-diffusion, `sample_euler` and `sample_euler_ancestral`):
//!
//! ```text
//! y_t = y_s + (rho_down − rho_s) epsilon + s_noise · rho_up · noise
//! rho_up   = min(rho_t, eta sqrt(rho_t² (rho_s² − rho_t²) / rho_s²)),   rho_down = sqrt(rho_t² − rho_up²)
//! ```
//!
//! Without noise (`euler`) this is DDIM; where it visits the same levels it gives the same samples, and with
//! noise (`euler-a`) those of DDIM with the same `eta`. To `euler` noise may be added before a step: see
//! [`super::churn`]. One evaluation a step, so a budget is used up.

use super::combination::{m, noise, x};
use super::options::{self, FINAL_SIGMAS, OptionSpec, S_CHURN, S_NOISE, S_TMAX, S_TMIN};
use super::problem::{Problem, Value};
use super::{NoiseLevel, Solver, StepPlan, churn};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Euler {
    ancestral: bool,
}

/// Deterministic.
pub const EULER: Euler = Euler { ancestral: false };
/// With fresh noise at each step.
pub const EULER_ANCESTRAL: Euler = Euler { ancestral: true };

/// `rho` to which an ancestral step goes down, and that of the noise it then adds. `rho_up` is bounded, since
/// rounding may put it above `rho_t`.
pub(super) fn ancestral(level: NoiseLevel, next: NoiseLevel, eta: f64) -> (f64, f64) {
    let (from, to) = (level.sigma_over_alpha(), next.sigma_over_alpha());
    let up = to.min(eta * to * (1.0 - (to / from).powi(2)).max(0.0).sqrt());
    ((to * to - up * up).sqrt(), up)
}

impl Solver for Euler {
    fn name(&self) -> &'static str {
        if self.ancestral { "euler-a" } else { "euler" }
    }

    fn aliases(&self) -> &'static [&'static str] {
        if self.ancestral { &["euler-ancestral", "eulerancestraldiscrete"] } else { &["eulerdiscrete"] }
    }

    fn order(&self) -> usize {
        1
    }

    fn options(&self) -> &'static [OptionSpec] {
        const ANCESTRAL: &[OptionSpec] = &[options::eta(1.0), S_NOISE, FINAL_SIGMAS];
        const CHURNED: &[OptionSpec] = &[S_CHURN, S_TMIN, S_TMAX, S_NOISE, FINAL_SIGMAS];
        if self.ancestral { ANCESTRAL } else { CHURNED }
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let eta = if self.ancestral { problem.settings.eta_or(1.0) } else { 0.0 };
        let step = |(index, (_, _, next))| {
            let (level, timestep) = churn::start(problem, index);
            let (down, up) = ancestral(level, next, eta);
            let rho = level.sigma_over_alpha();
            let mut update = (next.alpha / level.alpha) * x(0) + next.alpha * (down - rho) * m(0);
            if up > 0.0 {
                update = update + problem.settings.s_noise * next.alpha * up * noise();
            }
            let update = churn::before_next(problem, index, update);
            problem.evaluation(timestep, level, Value::Epsilon, update)
        };
        problem.grid.steps().enumerate().map(step).collect()
    }
}
