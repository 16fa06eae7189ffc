//! Samplers for networks that were distilled to go to the clean sample at once, from any level: LCM, TCD and
//! the multistep sampling of consistency models. With other networks they draw blurred pictures.
//!
//! Each step goes to the network's clean sample `d` and back up to the next level `t` with fresh noise:
//!
//! ```text
//! consistency   x_t = alpha_t (d + sqrt(rho_t² − rho_0²) · noise)           rho = sigma / alpha, rho_0 at timestep 0
//! lcm           x_t = alpha_t f + sigma_t · noise,   f = c_skip x + c_out d
//!               c_skip = 1/4 / (tau² + 1/4),  c_out = tau / sqrt(tau² + 1/4),  tau = 10 · timestep
//! tcd           x_u = alpha_u d + sigma_u epsilon                           u: timestep floor((1 − eta) timestep_t)
//!               x_t = (alpha_t / alpha_u) x_u + sqrt(1 − alpha_t² / alpha_u²) · noise
//! ```
//!
//! Song et al. 2023, <https://arxiv.org/abs/2303.01469>, Algorithm 1; Luo et al. 2023,
//! <https://arxiv.org/abs/2310.04378>, Algorithm 3 with the boundary condition of its code; Zheng et al. 2024,
//! <https://arxiv.org/abs/2402.19159>, Algorithm 2, whose gamma is `eta`, as in diffusers.
//!
//! One evaluation a step, so a budget is used up. With the spacing `trailing`, LCM and TCD visit some of the 50
//! timesteps that such networks are distilled at, as in diffusers. They solve no
//! equation in small steps, so there is no order of convergence but that of TCD with `eta` = 0, which is DDIM.

use super::combination::{m, noise, x};
use super::options::{self, FINAL_SIGMAS, OptionSpec, S_NOISE};
use super::problem::{Problem, Value};
use super::{Grid, NoiseLevel, Schedule, Solver, Spacing, StepPlan, timesteps};
use crate::error::Result;

/// Variance of the data that LCM's boundary condition assumes.
const DATA_VARIANCE: f64 = 0.25;
/// Factor of the timestep in LCM's boundary condition.
const TIMESTEP_SCALING: f64 = 10.0;
/// Timesteps of the distillation.
const DISTILLED_STEPS: usize = 50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Consistency,
    Lcm,
    Tcd,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distilled {
    name: &'static str,
    aliases: &'static [&'static str],
    kind: Kind,
}

/// Multistep sampling of consistency models.
pub const CONSISTENCY: Distilled = Distilled {
    name: "consistency",
    aliases: &["cmstochasticiterative", "consistency-model"],
    kind: Kind::Consistency,
};
/// Latent consistency models.
pub const LCM: Distilled = Distilled { name: "lcm", aliases: &[], kind: Kind::Lcm };
/// Trajectory consistency distillation: `eta` 0 is deterministic.
pub const TCD: Distilled = Distilled { name: "tcd", aliases: &[], kind: Kind::Tcd };

/// The `eta` of TCD if the caller does not say; diffusers' number.
const TCD_ETA: f64 = 0.3;

impl Solver for Distilled {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn order(&self) -> usize {
        1
    }

    fn options(&self) -> &'static [OptionSpec] {
        const PLAIN: &[OptionSpec] = &[S_NOISE, FINAL_SIGMAS];
        const OF_TCD: &[OptionSpec] = &[options::eta(TCD_ETA), S_NOISE, FINAL_SIGMAS];
        if self.kind == Kind::Tcd { OF_TCD } else { PLAIN }
    }

    fn grid(&self, schedule: &Schedule, spacing: Spacing, stages: &[usize]) -> Result<Grid> {
        if self.kind == Kind::Consistency || spacing != Spacing::Trailing {
            return timesteps::multistep_grid(schedule, spacing, stages.len());
        }
        timesteps::distilled_grid(schedule, DISTILLED_STEPS, stages.len())
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let step = |(index, (timestep, level, next)): (usize, (f64, NoiseLevel, NoiseLevel))| {
            let is_last = index + 1 == problem.grid.len();
            let s_noise = problem.settings.s_noise;
            let update = match self.kind {
                Kind::Consistency => {
                    let least = problem.schedule.level(0).sigma_over_alpha();
                    let rho = next.sigma_over_alpha();
                    let deviation = next.alpha * (rho * rho - least * least).max(0.0).sqrt();
                    next.alpha * m(0) + s_noise * deviation * noise()
                }
                Kind::Lcm => {
                    let tau = TIMESTEP_SCALING * timestep;
                    let c_skip = DATA_VARIANCE / (tau * tau + DATA_VARIANCE);
                    let c_out = tau / (tau * tau + DATA_VARIANCE).sqrt();
                    let deviation = s_noise * next.sigma;
                    next.alpha * c_skip * x(0) + next.alpha * c_out * m(0) + deviation * noise()
                }
                Kind::Tcd => {
                    let eta = problem.settings.eta_or(TCD_ETA);
                    let lower = if is_last || eta == 0.0 {
                        next
                    } else {
                        let kept = ((1.0 - eta) * problem.grid.timestep(index + 1)).floor();
                        let lower = problem.schedule.nonzero_level(kept as usize);
                        if lower.sigma > next.sigma { next } else { lower }
                    };
                    let ratio = next.alpha / lower.alpha;
                    let of_x = ratio * lower.sigma / level.sigma;
                    // 1 − alpha_t² / alpha_u² without cancellation.
                    let (rho, below) = (next.sigma_over_alpha(), lower.sigma_over_alpha());
                    let deviation = s_noise * next.alpha * ((rho - below) * (rho + below)).max(0.0).sqrt();
                    of_x * x(0) + (ratio * lower.alpha - of_x * level.alpha) * m(0) + deviation * noise()
                }
            };
            problem.evaluation(timestep, level, Value::Denoised, update)
        };
        problem.grid.steps().enumerate().map(step).collect()
    }
}
