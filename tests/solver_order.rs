//! The order of convergence of each solver, measured on data ~ N(0, s²), where everything has a closed form:
//! `denoised = x alpha s² / (alpha² s² + sigma²)`, and the exact flow keeps `x / sqrt(alpha² s² + sigma²)`.

use tenstep::solver::{self, Grid, NoiseLevel, PredictionType, SchedulerConfig, SolverType, Source};

const VARIANCE: f64 = 0.25;

fn spread(level: NoiseLevel) -> f64 {
    (level.alpha * level.alpha * VARIANCE + level.sigma * level.sigma).sqrt()
}

/// Error at the end of a run over `n` steps, evenly spaced in lambda, from sigma / alpha = 10 to 0.05.
fn error(solver: &str, config: &SchedulerConfig, n: usize) -> f64 {
    let level = |i: usize| NoiseLevel::from_sigma(10.0 * (0.05f64 / 10.0).powf(i as f64 / n as f64));
    let levels: Vec<NoiseLevel> = (0..=n).map(level).collect();
    let grid = Grid::new((0..n).map(|i| i as f64).collect(), levels.clone()).expect("noise falls");
    let steps = solver::find(solver).and_then(|solver| solver.steps(config, &grid)).expect("a plan");
    let mut x = 1.0;
    let mut values = Vec::new();
    for (step, level) in steps.iter().zip(&levels) {
        let denoised = x * level.alpha * VARIANCE / spread(*level).powi(2);
        let epsilon = (x - level.alpha * denoised) / level.sigma;
        let output = match config.prediction_type {
            PredictionType::Epsilon => epsilon,
            PredictionType::VPrediction => level.alpha * epsilon - level.sigma * denoised,
            PredictionType::Sample => denoised,
        };
        values.insert(0, step.model_value.sample * x + step.model_value.model_output * output);
        let read = |source| match source {
            Source::Sample => x,
            Source::ModelValue(back) => values[back],
            Source::Noise => panic!("a deterministic solver asks for noise"),
        };
        x = step.update.iter().map(|&(source, coefficient)| coefficient * read(source)).sum();
    }
    (x - spread(levels[n]) / spread(levels[0])).abs()
}

/// Slope of ln error over ln steps, by least squares.
fn slope(solver: &str, config: &SchedulerConfig) -> f64 {
    let points = [40usize, 80, 160, 320].map(|n| ((n as f64).ln(), error(solver, config, n).ln()));
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    -covariance / variance
}

fn configs() -> impl Iterator<Item = SchedulerConfig> {
    use PredictionType::{Epsilon, Sample, VPrediction};
    [Epsilon, VPrediction, Sample]
        .map(|prediction_type| SchedulerConfig { prediction_type, ..SchedulerConfig::default() })
        .into_iter()
}

#[test]
fn ddim_is_of_first_order() {
    for config in configs() {
        let slope = slope("ddim", &config);
        println!("ddim, {:?}: slope {slope:.3}", config.prediction_type);
        assert!((slope - 1.0).abs() <= 0.1, "slope {slope}");
    }
}

#[test]
fn dpmpp_2m_is_of_second_order() {
    for config in configs() {
        for solver_type in [SolverType::Midpoint, SolverType::Heun] {
            let config = SchedulerConfig { solver_type, ..config.clone() };
            let slope = slope("dpmpp-2m", &config);
            println!("dpmpp-2m, {solver_type:?}, {:?}: slope {slope:.3}", config.prediction_type);
            assert!((slope - 2.0).abs() <= 0.15, "{solver_type:?}: slope {slope}");
        }
    }
}
