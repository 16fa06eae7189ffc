//! Few-step samplers as planners of linear combinations.
//!
//! A [`Solver`] never touches a picture. It looks at a noise schedule and a [`Grid`] of noise levels and
//! emits a [`SamplingPlan`]: for each evaluation the network's time input, how the network's output becomes
//! the model value that the method stores, and the coefficients of the update. Whoever owns the tensors applies
//! them. Everything here is f64 on the CPU.
//!
//! Notation (Lu et al. 2022, section 2): `x_t = alpha_t x_0 + sigma_t epsilon`, `lambda_t = ln(alpha_t /
//! sigma_t)`; variance preserving, `alpha_t² + sigma_t² = 1`. `alphas_cumprod` is `alpha_t²`.
//!
//! A new method is one file here, declared below, and one line in [`SOLVERS`].

mod churn;
mod combination;
mod config;
mod consistency;
#[cfg(feature = "native")]
mod convergence;
mod ddim;
mod deis;
mod dpm2;
mod dpm_adaptive;
mod dpm_multistep;
mod dpm_singlestep;
mod dpmpp_2s_ancestral;
mod euler;
mod exponential;
mod guidance;
mod level;
mod options;
mod plan;
mod pndm;
mod prediction;
mod problem;
mod quadrature;
mod runge_kutta;
mod sa_solver;
mod schedule;
mod thresholding;
mod timesteps;
mod unipc;

pub use config::{BetaSchedule, FinalSigmas, SchedulerConfig, SolverType};
#[cfg(feature = "native")]
pub use convergence::{Convergence, Spread};
pub use dpm_adaptive::Adaptive;
pub use guidance::Guidance;
pub use level::NoiseLevel;
pub use options::{Accepted, NoiseSampler, OF_EVERY_METHOD, OptionSpec, Settings, SolverOptions};
pub use plan::{LinearMap, SamplingPlan, Source, StepPlan};
pub use prediction::PredictionType;
pub use problem::Problem;
pub use schedule::Schedule;
pub use thresholding::Thresholding;
pub use timesteps::{Grid, Levels, Spacing};

use crate::error::{Error, Result};

/// Every method, by the name callers use.
static SOLVERS: &[&dyn Solver] = &[
    &dpm_multistep::DPMPP_2M,
    &ddim::DDIM,
    &unipc::UniPc,
    &dpm_multistep::DPMPP_3M,
    &dpm_singlestep::DPMPP_2S,
    &dpm_singlestep::DPMPP_3S,
    &dpm_multistep::DPM_2M,
    &dpm_multistep::DPM_3M,
    &dpm_singlestep::DPM_2S,
    &dpm_singlestep::DPM_3S,
    &dpm_singlestep::DPM_FAST,
    &dpm_adaptive::DpmAdaptive,
    &deis::DEIS,
    &deis::DEIS_RHO_AB,
    &deis::DEIS_T_AB,
    &deis::LMS,
    &pndm::PLMS,
    &pndm::IPNDM,
    &pndm::S_PNDM,
    &pndm::F_PNDM,
    &euler::EULER,
    &runge_kutta::HEUN,
    &runge_kutta::RHO_RK_3,
    &runge_kutta::RHO_RK_4,
    &runge_kutta::FLOW_EULER,
    &runge_kutta::FLOW_HEUN,
    &dpm2::DPM2,
    &dpm_multistep::DPMPP_2M_SDE,
    &dpm_multistep::DPMPP_3M_SDE,
    &euler::EULER_ANCESTRAL,
    &dpm2::DPM2_ANCESTRAL,
    &dpmpp_2s_ancestral::DPMPP_2S_ANCESTRAL,
    &dpmpp_2s_ancestral::DPMPP_SDE,
    &ddim::DDPM,
    &sa_solver::SaSolver,
    &consistency::LCM,
    &consistency::TCD,
    &consistency::CONSISTENCY,
];

/// A method of sampling.
pub trait Solver: Sync {
    /// The name callers use.
    fn name(&self) -> &'static str;

    /// Other names that people know it by, in lower case.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The order of convergence it is built for, with the default options. What is measured can be lower:
    /// tests/solver_order.rs says where and why.
    fn order(&self) -> usize;

    /// The options it accepts.
    fn options(&self) -> &'static [OptionSpec];

    /// How many evaluations each of its steps takes, for a budget of evaluations; together at most the budget.
    ///
    /// Errors with [`Error::InvalidOption`] if the budget is too small to start with.
    fn stages(&self, evaluations: usize, _ends_clean: bool) -> Result<Vec<usize>> {
        Ok(vec![1; evaluations])
    }

    /// How many levels its grid has besides the one where it ends: one for each step, or for each evaluation.
    fn levels(&self, stages: &[usize]) -> usize {
        stages.len()
    }

    /// The levels it visits, from the most noise to the least.
    fn grid(&self, schedule: &Schedule, spacing: Spacing, stages: &[usize]) -> Result<Grid> {
        timesteps::multistep_grid(schedule, spacing, self.levels(stages))
    }

    /// Whether it weighs model values as if its steps were equal in the timestep, which then is where it has its
    /// order.
    fn is_pseudo(&self) -> bool {
        false
    }

    /// Whether it can take a step from where there is no signal. The others get a little: see
    /// [`Schedule::nonzero_level`].
    fn can_start_from_pure_noise(&self) -> bool {
        false
    }

    /// Whether it chooses its levels itself, whatever the caller asks for.
    fn chooses_levels(&self) -> bool {
        false
    }

    /// Whether its steps depend on what the network says. It has no [`plan`], but an [`adaptive`] run.
    fn is_adaptive(&self) -> bool {
        false
    }

    /// One entry for each evaluation.
    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>>;
}

/// The solver of that name, whatever spacing an alias implies.
pub fn find(name: &str) -> Result<&'static dyn Solver> {
    resolve(name).map(|(solver, _)| solver)
}

/// The solver that people call `name`, and the spacing that the name implies: "DPM++ 2M Karras" is `dpmpp-2m`
/// with `karras`, "Euler a" is `euler-a`. Upper and lower case are the same.
pub fn resolve(name: &str) -> Result<(&'static dyn Solver, Option<Spacing>)> {
    let wanted = normalised(name);
    let known = |wanted: &str| {
        let is_called = |solver: &&dyn Solver| {
            solver.name() == wanted || solver.aliases().iter().any(|alias| normalised(alias) == wanted)
        };
        SOLVERS.iter().copied().find(is_called)
    };
    if let Some(solver) = known(&wanted) {
        return Ok((solver, None));
    }
    for (name, spacing) in Spacing::named() {
        let stem = wanted.strip_suffix(name).and_then(|stem| stem.strip_suffix('-'));
        if let Some(solver) = stem.and_then(known) {
            return Ok((solver, Some(spacing)));
        }
    }
    Err(Error::InvalidOption {
        option: "solver",
        accepted: format!("one of {}", names().collect::<Vec<_>>().join(", ")),
        value: format!("{name:?}"),
    })
}

fn normalised(name: &str) -> String {
    name.trim().to_lowercase().replace("++", "pp").replace([' ', '_'], "-")
}

/// Names of all solvers.
pub fn names() -> impl Iterator<Item = &'static str> {
    SOLVERS.iter().map(|solver| solver.name())
}

/// All solvers.
pub fn all() -> impl Iterator<Item = &'static dyn Solver> {
    SOLVERS.iter().copied()
}

/// Everything a sampling loop needs to know, for a budget of `evaluations` of the network.
///
/// Errors: [`Error::InvalidOption`] if an option is not the solver's, if there are no evaluations or too few
/// for the solver, or more than the schedule has levels for; [`Error::UnsupportedConfig`] if the network's
/// prediction says nothing at the first level.
pub fn plan(
    solver: &dyn Solver,
    options: &SolverOptions,
    config: &SchedulerConfig,
    spacing: Spacing,
    evaluations: usize,
) -> Result<SamplingPlan> {
    let config = with_options(solver, options, config)?;
    let schedule = Schedule::new(&config)?;
    timesteps::check_evaluations(&schedule, evaluations)?;
    let stages = solver.stages(evaluations, config.final_sigmas_type == FinalSigmas::Zero)?;
    let grid = solver.grid(&schedule, spacing, &stages)?;
    plan_on(solver, &Settings::new(&config, options), &schedule, &grid, stages)
}

/// The same, for levels that the caller lists: as many evaluations as the solver makes of them in whole steps.
///
/// Errors: as [`plan`], and [`Error::InvalidOption`] if the list is empty, does not fall, leaves the schedule,
/// or the solver chooses its levels itself.
pub fn plan_at(
    solver: &dyn Solver,
    options: &SolverOptions,
    config: &SchedulerConfig,
    levels: Levels<'_>,
) -> Result<SamplingPlan> {
    let config = with_options(solver, options, config)?;
    let schedule = Schedule::new(&config)?;
    let grid = levels.grid(&schedule)?;
    let ends_clean = grid.level(grid.len()).sigma == 0.0;
    // More evaluations take more levels or as many, and no method takes more than four for one, or so many to
    // start with.
    let most = 4 * grid.len() + 9;
    let fits = |stages: &Vec<usize>| solver.levels(stages) == grid.len();
    let stages = (1..=most).rev().find_map(|budget| solver.stages(budget, ends_clean).ok().filter(fits));
    let Some(stages) = stages.filter(|_| !solver.chooses_levels()) else {
        return Err(levels.refused(&format!("left out, or of another length, with {}", solver.name())));
    };
    match plan_on(solver, &Settings::new(&config, options), &schedule, &grid, stages) {
        // Of the schedule's own levels it is the checkpoint's fault.
        Err(Error::InvalidConfig { .. }) => {
            Err(levels.refused(&format!("levels that {} can step between", solver.name())))
        }
        planned => planned,
    }
}

/// A run of a solver whose steps depend on what the network says, for a budget of at most `evaluations`.
///
/// Errors: as [`plan`]; the solver [is adaptive](Solver::is_adaptive).
pub fn adaptive(
    solver: &dyn Solver,
    options: &SolverOptions,
    config: &SchedulerConfig,
    evaluations: usize,
) -> Result<Adaptive> {
    let config = with_options(solver, options, config)?;
    let schedule = Schedule::new(&config)?;
    timesteps::check_evaluations(&schedule, evaluations)?;
    Adaptive::new(schedule, &Settings::new(&config, options), evaluations)
}

/// The config with what the caller's options replace of it.
fn with_options(
    solver: &dyn Solver,
    options: &SolverOptions,
    config: &SchedulerConfig,
) -> Result<SchedulerConfig> {
    options.check(solver.name(), solver.options())?;
    let mut config = config.clone();
    if let Some(last) = options.final_sigmas {
        config.final_sigmas_type = last;
        config.set_alpha_to_one = last == FinalSigmas::Zero;
    }
    Ok(config)
}

fn plan_on(
    solver: &dyn Solver,
    settings: &Settings,
    schedule: &Schedule,
    grid: &Grid,
    stages: Vec<usize>,
) -> Result<SamplingPlan> {
    let from_pure_noise = solver.can_start_from_pure_noise().then(|| grid.starting_from_pure_noise(schedule));
    let grid = from_pure_noise.as_ref().unwrap_or(grid);
    let problem = Problem { schedule, settings: *settings, grid, stages: &stages };
    let plan = SamplingPlan::new(solver.steps(&problem)?, stages)?;
    Ok(SamplingPlan { thresholding: settings.thresholding, ..plan })
}
