//! Whole runs of the planners with a network known in closed form, against an independent f64 reference and
//! against diffusers' schedulers with their f32 tables (tests/goldens/solver, made by
//! training/goldens_solver).

use serde::Deserialize;
use serde_json::Value;
use tenstep::solver::{
    self, Ddim, NoiseLevel, PredictionType, SamplingPlan, Schedule, SchedulerConfig, Solver, Source, Spacing,
};

/// The reference and this crate differ by rounding only.
const TO_REFERENCE: f64 = 1e-9;
/// diffusers keeps its tables in f32.
const TO_SHIPPED: f64 = 1e-4;

#[derive(Deserialize)]
struct Golden {
    start: [f64; 3],
    configs: std::collections::BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: String,
    solver: String,
    eta: f64,
    spacing: String,
    steps: usize,
    timesteps: Vec<f64>,
    #[serde(rename = "final")]
    last: [f64; 3],
    shipped: [f64; 3],
}

/// What an ideal network gives for data ~ N(mean, 0.5²).
struct Gaussian {
    prediction_type: PredictionType,
    schedule: Schedule,
}

impl Gaussian {
    const MEAN: [f64; 3] = [-0.8, 0.1, 1.3];
    const VARIANCE: f64 = 0.25;

    fn level(&self, timestep: f64) -> NoiseLevel {
        let low = timestep.floor() as usize;
        if timestep == low as f64 {
            return self.schedule.level(low);
        }
        let log_sigma = |t: usize| -self.schedule.nonzero_level(t).lambda();
        let weight = timestep - low as f64;
        NoiseLevel::from_sigma(((1.0 - weight) * log_sigma(low) + weight * log_sigma(low + 1)).exp())
    }

    fn output(&self, x: [f64; 3], timestep: f64) -> [f64; 3] {
        let NoiseLevel { alpha, sigma } = self.level(timestep);
        let gain = alpha * Self::VARIANCE / (alpha * alpha * Self::VARIANCE + sigma * sigma);
        std::array::from_fn(|i| {
            let denoised = Self::MEAN[i] + gain * (x[i] - alpha * Self::MEAN[i]);
            let epsilon = (x[i] - alpha * denoised) / sigma;
            match self.prediction_type {
                PredictionType::Epsilon => epsilon,
                PredictionType::VPrediction => alpha * epsilon - sigma * denoised,
                PredictionType::Sample => denoised,
            }
        })
    }
}

fn run(plan: &SamplingPlan, start: [f64; 3], network: &Gaussian) -> [f64; 3] {
    let mut x = start.map(|value| plan.init_noise_sigma * value);
    let mut values: Vec<[f64; 3]> = Vec::new();
    for (index, step) in plan.steps.iter().enumerate() {
        let output = network.output(x.map(|value| step.model_input_scale * value), step.timestep);
        let value = |i: usize| step.model_value.sample * x[i] + step.model_value.model_output * output[i];
        values.insert(0, std::array::from_fn(value));
        values.truncate(plan.history);
        let read = |source: Source, i: usize| match source {
            Source::Sample => x[i],
            Source::ModelValue(back) => values[back][i],
            Source::Noise => ((7 * index + 3 * i + 5) % 11) as f64 / 4.0 - 1.25,
        };
        x = std::array::from_fn(|i| {
            step.update.iter().map(|&(source, coefficient)| coefficient * read(source, i)).sum()
        });
    }
    x
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn check(golden: &str) -> usize {
    let golden: Golden = serde_json::from_str(golden).expect("the golden is JSON");
    for case in &golden.cases {
        let name = format!(
            "{} {} {} {} steps, eta {}",
            case.solver, case.config, case.spacing, case.steps, case.eta
        );
        let config = SchedulerConfig::from_json(&golden.configs[&case.config]).expect(&name);
        let ddim = Ddim { eta: case.eta };
        let solver: &dyn Solver =
            if case.solver == "ddim" { &ddim } else { solver::find(&case.solver).expect(&name) };
        let spacing = Spacing::find(&case.spacing).expect(&name);
        let plan = solver::plan(solver, &config, spacing, case.steps).expect(&name);

        let timesteps: Vec<f64> = plan.steps.iter().map(|step| step.timestep).collect();
        assert!(largest_difference(&timesteps, &case.timesteps) < 1e-8, "{name}: {timesteps:?}");

        let schedule = Schedule::new(&config).expect(&name);
        let network = Gaussian { prediction_type: config.prediction_type, schedule };
        let last = run(&plan, golden.start, &network);
        let to_reference = largest_difference(&last, &case.last);
        assert!(to_reference < TO_REFERENCE, "{name}: {last:?} is {to_reference:e} from the reference");

        // An epsilon network divides the f32 rounding of diffusers' sigma_t by alpha_t. Near pure noise
        // that alone exceeds the bound; one rounding is then allowed.
        let alpha = network.schedule.nonzero_level(plan.steps[0].timestep as usize).alpha;
        let rounding = match config.prediction_type {
            PredictionType::Epsilon => f64::from(f32::EPSILON) / alpha,
            _ => 0.0,
        };
        let to_shipped = largest_difference(&last, &case.shipped);
        assert!(to_shipped < TO_SHIPPED.max(rounding), "{name}: {last:?} is {to_shipped:e} from diffusers");
    }
    golden.cases.len()
}

#[test]
fn ddim_follows_the_reference_and_diffusers() {
    assert_eq!(check(include_str!("goldens/solver/ddim.json")), 155);
}

#[test]
fn dpmpp_2m_follows_the_reference_and_diffusers() {
    assert_eq!(check(include_str!("goldens/solver/dpmpp-2m.json")), 188);
}
