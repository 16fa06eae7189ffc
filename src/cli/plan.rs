//! `tenstep plan`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{named_fields, print, read_manifest, read_text};
use crate::error::{Error, Result};
use crate::solver::{
    self, Levels, LinearMap, NoiseLevel, SamplingPlan, SchedulerConfig, SolverOptions, Source, Spacing,
    StepPlan,
};

/// Prints a sampling plan: for each evaluation of the network its time input, its noise level, and the
/// coefficients of what follows, in double precision.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The method; `tenstep solvers` lists them
    #[arg(long, default_value = "dpmpp-2m")]
    solver: String,
    /// The timestep schedule; if left out, the one that the solver's name implies, or trailing
    #[arg(long)]
    schedule: Option<String>,
    /// Budget of network evaluations
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Instead of a schedule and a budget: the timesteps of the levels, falling, with commas between
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["schedule", "steps", "sigmas"])]
    timesteps: Option<Vec<f64>>,
    /// The same by sigma / alpha (for flow matching by s, from 1), and where the run ends, which may be 0
    #[arg(long, value_delimiter = ',', conflicts_with_all = ["schedule", "steps"])]
    sigmas: Option<Vec<f64>>,
    /// An option of the method, as name=value; may be repeated
    #[arg(long = "option")]
    options: Vec<String>,
    /// The noise schedule of this model's manifest.json
    #[arg(long, conflicts_with = "scheduler_config")]
    model: Option<PathBuf>,
    /// The noise schedule of this scheduler_config.json
    #[arg(long)]
    scheduler_config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (solver, implied) = solver::resolve(&arguments.solver)?;
    let spacing = match &arguments.schedule {
        Some(name) => Spacing::find(name)?,
        None => implied.unwrap_or(Spacing::Trailing),
    };
    let options = SolverOptions::from_fields(&named_fields(&arguments.options)?)?;
    let config = scheduler_config(arguments)?;
    let (levels, plan) = match (&arguments.timesteps, &arguments.sigmas) {
        (Some(list), _) => {
            ("timesteps", solver::plan_at(solver, &options, &config, Levels::Timesteps(list))?)
        }
        (_, Some(list)) => ("sigmas", solver::plan_at(solver, &options, &config, Levels::Sigmas(list))?),
        _ => (spacing.name(), solver::plan(solver, &options, &config, spacing, arguments.steps)?),
    };
    if arguments.json {
        print(&[format!("{:#}", as_json(solver.name(), levels, &plan))])
    } else {
        print(&as_lines(solver.name(), levels, &plan))
    }
}

/// Without a file, that of the first diffusion models: diffusers' defaults.
fn scheduler_config(arguments: &Arguments) -> Result<SchedulerConfig> {
    if let Some(path) = &arguments.model {
        return SchedulerConfig::from_json(&read_manifest(path)?.scheduler);
    }
    let Some(path) = &arguments.scheduler_config else { return Ok(SchedulerConfig::default()) };
    let json = serde_json::from_str(&read_text(path)?).map_err(|error| Error::InvalidConfig {
        component: "scheduler".to_owned(),
        message: error.to_string(),
    })?;
    SchedulerConfig::from_json(&json)
}

fn as_json(solver: &str, levels: &str, plan: &SamplingPlan) -> Value {
    let map = |map: LinearMap| json!({ "sample": map.sample, "modelOutput": map.model_output });
    let terms = |terms: &[(Source, f64)]| -> Value {
        let term = |&(source, coefficient): &(Source, f64)| {
            let (of, back) = of_source(source);
            json!({ "of": of, "back": back, "coefficient": coefficient })
        };
        terms.iter().map(term).collect()
    };
    let step = |step: &StepPlan| {
        let NoiseLevel { alpha, sigma } = step.level;
        json!({
            "timestep": step.timestep,
            "alpha": alpha,
            "sigma": sigma,
            "modelInputScale": step.model_input_scale,
            "modelValue": map(step.model_value),
            "denoised": map(step.denoised),
            "noiseSpan": step.noise_span,
            "correction": terms(&step.correction),
            "update": terms(&step.update),
        })
    };
    let steps: Vec<Value> = plan.steps.iter().map(step).collect();
    json!({
        "solver": solver,
        "schedule": levels,
        "initNoiseSigma": plan.init_noise_sigma,
        "evaluations": plan.evaluations(),
        "solverSteps": plan.solver_steps(),
        "stages": plan.stages,
        "thresholding": plan.thresholding,
        "steps": steps,
    })
}

/// What a term reads, and of how many evaluations back.
fn of_source(source: Source) -> (&'static str, usize) {
    match source {
        Source::Sample(back) => ("sample", back),
        Source::ModelValue(back) => ("modelValue", back),
        Source::Noise => ("noise", 0),
    }
}

fn as_lines(solver: &str, levels: &str, plan: &SamplingPlan) -> Vec<String> {
    let (evaluations, steps) = (plan.evaluations(), plan.solver_steps());
    let mut lines = vec![format!("{solver}, {levels}: {evaluations} evaluations in {steps} steps")];
    for step in &plan.steps {
        let rho = step.level.sigma_over_alpha();
        lines.push(format!("timestep {:.2}, sigma / alpha {rho:.4}", step.timestep));
        for (what, terms) in [("correction", &step.correction), ("update", &step.update)] {
            for &(source, coefficient) in terms {
                let (of, back) = of_source(source);
                lines.push(format!("  {what}: {coefficient:+.6} {of} {back} back"));
            }
        }
    }
    lines
}
