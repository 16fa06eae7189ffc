//! `tenstep compare`.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use clap::Args;
use pollster::block_on;
use serde::Serialize;

use super::backend::{On, Task, run_on};
use super::print;
use crate::error::{Error, Result};
use crate::executor::{BackendReport, Executor};
use crate::options::{Field, GenerateOptions, MAX_STEPS};
use crate::pipeline::{self, Model};
use crate::solver;

/// Draws for the standard error of a median.
const RESAMPLES: usize = 200;

/// Compares methods by how near they come to the converged solution from the same noise, for budgets of network
/// evaluations: the root mean square distance of the latents, its median over the seeds.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Methods, with commas between [default: all]
    #[arg(long, value_delimiter = ',')]
    solvers: Vec<String>,
    /// Budgets of network evaluations, with commas between
    #[arg(long, value_delimiter = ',', default_value = "5,10,20")]
    steps: Vec<usize>,
    /// How the steps are spaced; `tenstep solvers --json` lists the schedules
    #[arg(long, default_value = "trailing")]
    schedule: String,
    /// What to draw; may be repeated, seeds take turns
    #[arg(long = "prompt", default_value = "a red apple")]
    prompts: Vec<String>,
    /// Guidance scale [default: the model's]
    #[arg(long, allow_negative_numbers = true)]
    guidance_scale: Option<f64>,
    /// How many seeds, from 0 on
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    seeds: u32,
    /// The method of the converged solution
    #[arg(long, default_value = "dpmpp-3m")]
    reference_solver: String,
    /// Its schedule
    #[arg(long, default_value = "exponential")]
    reference_schedule: String,
    /// Its evaluations
    #[arg(long, default_value_t = 200)]
    reference_steps: usize,
    /// A converted model's manifest.json
    #[arg(long, value_name = "FILE", default_value = "www/models/default/manifest.json")]
    model: PathBuf,
    #[command(flatten)]
    on: On,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is printed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Comparison {
    backend: BackendReport,
    model: String,
    revision: String,
    prompts: Vec<String>,
    guidance_scale: f64,
    schedule: String,
    seeds: u32,
    reference: Reference,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Reference {
    solver: String,
    schedule: String,
    evaluations: usize,
}

/// One method with one budget.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    solver: String,
    budget: usize,
    /// Evaluations made, at most the budget; the median over the seeds for an adaptive method.
    evaluations: usize,
    solver_steps: usize,
    /// Median distance, its standard error, and the first and third quartile.
    median: f64,
    standard_error: f64,
    quartiles: [f64; 2],
    /// Of one run, text and decoding left out; the median.
    milliseconds: f64,
}

/// One run's end.
struct End {
    latents: Vec<f32>,
    evaluations: usize,
    solver_steps: usize,
    milliseconds: f64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    // What is misspelt is said before anything takes long.
    for name in arguments.solvers.iter().chain([&arguments.reference_solver]) {
        solver::resolve(name)?;
    }
    for &steps in arguments.steps.iter().chain([&arguments.reference_steps]) {
        if !(1..=MAX_STEPS).contains(&steps) {
            let accepted = format!("whole numbers from 1 to {MAX_STEPS}");
            return Err(Error::InvalidOption { option: "steps", accepted, value: steps.to_string() });
        }
    }
    for name in [&arguments.schedule, &arguments.reference_schedule] {
        solver::Spacing::find(name)?;
    }
    run_on(arguments.on, arguments)
}

impl Task for Arguments {
    fn run<E: Executor>(&self, executor: E) -> Result<()> {
        let backend = executor.report();
        let model = block_on(pipeline::open(Rc::new(executor), &self.model))?;
        let names: Vec<&str> = match self.solvers.as_slice() {
            [] => solver::names().collect(),
            given => given.iter().map(String::as_str).collect(),
        };
        let references = (0..self.seeds)
            .map(|seed| {
                eprintln!("converged solution {} of {}", seed + 1, self.seeds);
                let end = self.end(
                    &model,
                    seed,
                    &self.reference_solver,
                    &self.reference_schedule,
                    self.reference_steps,
                );
                Ok(end?.latents)
            })
            .collect::<Result<Vec<_>>>()?;
        let mut rows = Vec::new();
        for name in names {
            eprintln!("{name}");
            for &budget in &self.steps {
                match self.row(&model, name, budget, &references) {
                    Ok(row) => rows.push(row),
                    // Some methods need more evaluations to start with.
                    Err(Error::InvalidOption { option: "steps", .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let info = model.info();
        let comparison = Comparison {
            backend,
            model: info.name.clone(),
            revision: info.revision.clone(),
            prompts: self.prompts.clone(),
            guidance_scale: self.guidance_scale.unwrap_or(info.defaults.guidance_scale),
            schedule: self.schedule.clone(),
            seeds: self.seeds,
            reference: Reference {
                solver: self.reference_solver.clone(),
                schedule: self.reference_schedule.clone(),
                evaluations: self.reference_steps,
            },
            rows,
        };
        if self.json {
            return print(&[
                serde_json::to_string_pretty(&comparison).expect("it has only strings and numbers")
            ]);
        }
        print(&as_lines(&comparison))
    }
}

impl Arguments {
    fn row<E: Executor>(
        &self,
        model: &Model<E>,
        name: &str,
        budget: usize,
        references: &[Vec<f32>],
    ) -> Result<Row> {
        let ends = (0..self.seeds)
            .map(|seed| self.end(model, seed, name, &self.schedule, budget))
            .collect::<Result<Vec<End>>>()?;
        let distances = ends.iter().zip(references).map(|(end, reference)| rms(&end.latents, reference));
        let distances = sorted(distances.collect());
        Ok(Row {
            solver: name.to_owned(),
            budget,
            evaluations: quantile(&sorted(ends.iter().map(|end| end.evaluations as f64).collect()), 0.5)
                as usize,
            solver_steps: quantile(&sorted(ends.iter().map(|end| end.solver_steps as f64).collect()), 0.5)
                as usize,
            median: quantile(&distances, 0.5),
            standard_error: standard_error(&distances),
            quartiles: [quantile(&distances, 0.25), quantile(&distances, 0.75)],
            milliseconds: quantile(&sorted(ends.iter().map(|end| end.milliseconds).collect()), 0.5),
        })
    }

    fn end<E: Executor>(
        &self,
        model: &Model<E>,
        seed: u32,
        solver: &str,
        schedule: &str,
        steps: usize,
    ) -> Result<End> {
        let prompt = &self.prompts[seed as usize % self.prompts.len()];
        let mut fields = vec![
            ("prompt".to_owned(), Field::Text(prompt.clone())),
            ("seed".to_owned(), Field::Number(f64::from(seed))),
            ("solver".to_owned(), Field::Text(solver.to_owned())),
            ("schedule".to_owned(), Field::Text(schedule.to_owned())),
            ("steps".to_owned(), Field::Number(steps as f64)),
        ];
        if let Some(scale) = self.guidance_scale {
            fields.push(("guidanceScale".to_owned(), Field::Number(scale)));
        }
        let options = GenerateOptions::from_fields(&fields, model.limits())?;
        let mut run = block_on(model.start(&options))?;
        let started = Instant::now();
        while !run.is_done() {
            block_on(run.step())?;
        }
        let latents = block_on(run.latents())?;
        let milliseconds = started.elapsed().as_secs_f64() * 1e3;
        Ok(End { latents, evaluations: run.step_number(), solver_steps: run.solver_steps(), milliseconds })
    }
}

fn rms(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2));
    (squares.sum::<f64>() / a.len() as f64).sqrt()
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// Of sorted values, with linear interpolation.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    low + place.fract() * (high - low)
}

/// Of the median, by the bootstrap with fixed draws.
fn standard_error(distances: &[f64]) -> f64 {
    let count = distances.len();
    let drawn = |resample: usize, i: usize| {
        let words = crate::random::philox4x32([i as u32, resample as u32, 0, 2], [0, 0]);
        distances[words[0] as usize % count]
    };
    let medians: Vec<f64> = (0..RESAMPLES)
        .map(|resample| quantile(&sorted((0..count).map(|i| drawn(resample, i)).collect()), 0.5))
        .collect();
    let mean = medians.iter().sum::<f64>() / RESAMPLES as f64;
    (medians.iter().map(|median| (median - mean).powi(2)).sum::<f64>() / (RESAMPLES - 1) as f64).sqrt()
}

fn as_lines(comparison: &Comparison) -> Vec<String> {
    let Comparison { model, revision, seeds, reference, schedule, guidance_scale, .. } = comparison;
    let Reference { solver, evaluations, .. } = reference;
    let mut lines = vec![
        format!("{model} {revision}, guidance {guidance_scale}, {schedule}, {seeds} seeds"),
        format!("distance to {solver} with {evaluations} evaluations"),
        format!(
            "{:<13} {:>11} {:>6} {:>9} {:>9} {:>9}",
            "name", "evaluations", "steps", "median", "± error", "ms"
        ),
    ];
    for row in &comparison.rows {
        let Row { solver, evaluations, solver_steps, median, standard_error, milliseconds, .. } = row;
        lines.push(format!(
            "{solver:<13} {evaluations:>11} {solver_steps:>6} {median:>9.4} {standard_error:>9.4} {milliseconds:>9.0}"
        ));
    }
    lines
}
