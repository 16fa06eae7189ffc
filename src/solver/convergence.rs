//! The order of convergence of a method, measured on data ~ N(0, s²), where everything has a closed form:
//! `denoised = x alpha s² / (alpha² s² + sigma²)`, and the exact flow keeps `x / sqrt(alpha² s² + sigma²)`.
//! The error is the median over several `s`, because for a single one two parts of it may cancel.
//!
//! A multistep method starts with lower orders, for want of history, and that start can be all that its error
//! shows. So it can also be measured from an exact start, where it has its own order.

use super::{
    Grid, NoiseLevel, Problem, Schedule, SchedulerConfig, Settings, Solver, SolverOptions, Source, Spacing,
};
use crate::error::Result;

const DEVIATIONS: [f64; 5] = [0.2, 0.35, 0.5, 0.8, 1.3];

/// How the levels of a run are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// In lambda, from sigma / alpha = 10 to 0.05.
    Lambda,
    /// In the timestep, from 980 to 20.
    Timestep,
}

/// What is measured.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a method is no value to print")]
pub struct Convergence {
    pub solver: &'static dyn Solver,
    pub options: SolverOptions,
    pub spread: Spread,
    /// Evaluations at whose start the sample is set to the exact one.
    pub exact_start: usize,
    /// The smallest budget; the others are 2, 4 and 8 times that.
    pub fewest: usize,
}

impl Convergence {
    /// The method as it comes, without the noise that it may draw; `None` for methods that always draw some, or
    /// choose their levels themselves. Pseudo methods are made for steps that are equal in the timestep (Liu et al.
    /// 2022, section 3.4).
    pub fn of_method(solver: &'static dyn Solver) -> Option<Self> {
        let has_eta = solver.options().iter().any(|spec| spec.name == "eta");
        let options = SolverOptions { eta: has_eta.then_some(0.0), ..SolverOptions::default() };
        let spread = if solver.is_pseudo() { Spread::Timestep } else { Spread::Lambda };
        let fewest = if spread == Spread::Timestep { 120 } else { 48 };
        let measured = Self { solver, options, spread, exact_start: 0, fewest };
        let config = SchedulerConfig::default();
        let plan = super::plan(solver, &measured.options, &config, Spacing::Exponential, fewest);
        let is_deterministic = plan.is_ok_and(|plan| !plan.is_stochastic());
        (is_deterministic && !solver.chooses_levels()).then_some(measured)
    }

    /// Steps of the solver and the error at the end, for a budget of `n` evaluations.
    ///
    /// Errors: as [`super::plan`].
    pub fn error(&self, config: &SchedulerConfig, n: usize) -> Result<(f64, f64)> {
        let mut steps = 0.0;
        let mut errors = [0.0; DEVIATIONS.len()];
        for (error, s) in errors.iter_mut().zip(DEVIATIONS) {
            (steps, *error) = self.error_of(s, config, n)?;
        }
        errors.sort_by(f64::total_cmp);
        Ok((steps, errors[DEVIATIONS.len() / 2]))
    }

    fn error_of(&self, s: f64, config: &SchedulerConfig, n: usize) -> Result<(f64, f64)> {
        let schedule = Schedule::new(config)?;
        let stages = self.solver.stages(n, false)?;
        let count = self.solver.levels(&stages);
        let place = |i: usize| i as f64 / count as f64;
        let level = |i: usize| match self.spread {
            Spread::Lambda => NoiseLevel::from_sigma(10.0 * (0.05f64 / 10.0).powf(place(i))),
            Spread::Timestep => schedule.level_at(980.0 - 960.0 * place(i)),
        };
        let levels: Vec<NoiseLevel> = (0..=count).map(level).collect();
        let timesteps = levels[..count].iter().map(|&level| schedule.timestep_at(level)).collect();
        let grid = Grid::new(timesteps, levels.clone())?;
        let settings = Settings::new(config, &self.options);
        let problem = Problem { schedule: &schedule, settings, grid: &grid, stages: &stages };
        let steps = self.solver.steps(&problem)?;

        let exact = |level: NoiseLevel| deviation(s, level) / deviation(s, levels[0]);
        let mut samples = vec![1.0];
        let mut values = Vec::new();
        for (index, step) in steps.iter().enumerate() {
            let level = step.level;
            if index < self.exact_start {
                samples[0] = exact(level);
            }
            let x = samples[0];
            let denoised = x * level.alpha * (s / deviation(s, level)).powi(2);
            let epsilon = (x - level.alpha * denoised) / level.sigma;
            let output = config.prediction_type.model_output(level, denoised, epsilon);
            values.insert(0, step.model_value.sample * x + step.model_value.model_output * output);
            let combine = |samples: &[f64], terms: &[(Source, f64)]| -> f64 {
                let read = |source| match source {
                    Source::Sample(back) => samples[back],
                    Source::ModelValue(back) => values[back],
                    // Only the part without noise is measured.
                    Source::Noise => 0.0,
                };
                terms.iter().map(|&(source, coefficient)| coefficient * read(source)).sum()
            };
            if !step.correction.is_empty() {
                samples[0] = combine(&samples, &step.correction);
            }
            samples.insert(0, combine(&samples, &step.update));
        }
        Ok((stages.len() as f64, (samples[0] - exact(levels[count])).abs()))
    }

    /// Slope of ln error over ln steps, by least squares over four budgets.
    ///
    /// Errors: as [`super::plan`].
    pub fn order(&self, config: &SchedulerConfig) -> Result<f64> {
        let mut points = Vec::new();
        for times in [1, 2, 4, 8] {
            let (steps, error) = self.error(config, times * self.fewest)?;
            points.push((steps.ln(), error.ln()));
        }
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
        let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
        let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
        Ok(-covariance / variance)
    }
}

/// Of the noisy samples at `level`.
fn deviation(s: f64, level: NoiseLevel) -> f64 {
    (level.alpha * s).hypot(level.sigma)
}
