//! Few-step samplers as planners of linear combinations.
//!
//! A [`Solver`] never touches a picture. It looks at a noise schedule and a [`Grid`] of noise levels and
//! emits a [`SamplingPlan`]: for each step the network's time input, how the network's output becomes the
//! model value that the method stores, and the coefficients of the update. Whoever owns the tensors applies
//! them. Everything here is f64 on the CPU.
//!
//! Notation (Lu et al. 2022, section 2): `x_t = alpha_t x_0 + sigma_t epsilon`, `lambda_t = ln(alpha_t /
//! sigma_t)`; variance preserving, `alpha_t² + sigma_t² = 1`. `alphas_cumprod` is `alpha_t²`.
//!
//! A new method is one file here, declared below, and one line in [`SOLVERS`].

mod config;
mod ddim;
mod dpmpp_2m;
mod guidance;
mod level;
mod plan;
mod prediction;
mod schedule;
mod timesteps;

pub use config::{BetaSchedule, FinalSigmas, SchedulerConfig, SolverType};
pub use ddim::Ddim;
pub use dpmpp_2m::DpmSolverPlusPlus2M;
pub use guidance::Guidance;
pub use level::NoiseLevel;
pub use plan::{LinearMap, SamplingPlan, Source, StepPlan};
pub use prediction::PredictionType;
pub use schedule::Schedule;
pub use timesteps::{Grid, Spacing};

use crate::error::{Error, Result};

/// Every method, by the name callers use.
static SOLVERS: &[&dyn Solver] = &[&DpmSolverPlusPlus2M, &Ddim { eta: 0.0 }];

/// A method of sampling.
pub trait Solver: Sync {
    /// The name callers use.
    fn name(&self) -> &'static str;

    /// Where the method evaluates the network, from the most noise to the least.
    fn grid(&self, schedule: &Schedule, spacing: Spacing, num_inference_steps: usize) -> Result<Grid> {
        timesteps::multistep_grid(schedule, spacing, num_inference_steps)
    }

    /// The steps along `grid`.
    fn steps(&self, config: &SchedulerConfig, grid: &Grid) -> Result<Vec<StepPlan>>;
}

/// The solver of that name.
pub fn find(name: &str) -> Result<&'static dyn Solver> {
    SOLVERS.iter().copied().find(|solver| solver.name() == name).ok_or_else(|| Error::InvalidOption {
        option: "solver",
        accepted: format!("one of {}", names().collect::<Vec<_>>().join(", ")),
        value: format!("{name:?}"),
    })
}

/// Names of all solvers.
pub fn names() -> impl Iterator<Item = &'static str> {
    SOLVERS.iter().map(|solver| solver.name())
}

/// Everything a sampling loop needs to know, for `num_inference_steps` evaluations.
///
/// Errors: [`Error::InvalidOption`] if there are no steps or more than the schedule has levels for,
/// [`Error::UnsupportedConfig`] if the network's prediction says nothing at the first level.
pub fn plan(
    solver: &dyn Solver,
    config: &SchedulerConfig,
    spacing: Spacing,
    num_inference_steps: usize,
) -> Result<SamplingPlan> {
    let schedule = Schedule::new(config)?;
    let grid = solver.grid(&schedule, spacing, num_inference_steps)?;
    SamplingPlan::new(solver.steps(config, &grid)?)
}
