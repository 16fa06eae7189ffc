//! Whole runs of the planners with a network known in closed form, against an independent f64 reference and
//! against diffusers' schedulers, with their f32 tables and with those raised to f64 (tests/goldens/solver, made
//! by training/goldens_solver).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tenstep::options::Field;
use tenstep::solver::{
    self, Levels, NoiseLevel, PredictionType, SamplingPlan, Schedule, SchedulerConfig, SolverOptions, Source,
    Spacing,
};

/// The reference and this crate differ by rounding only.
const TO_REFERENCE: f64 = 1e-9;
/// diffusers keeps its tables in f32.
const TO_SHIPPED: f64 = 1e-4;
/// The same formulas in f64; those of diffusers cancel more.
const TO_RAISED: f64 = 1e-6;

#[derive(Deserialize)]
struct Golden {
    start: [f64; 3],
    configs: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    config: String,
    solver: String,
    options: BTreeMap<String, Value>,
    /// Which levels the run visits: a spacing's, or those of one of the lists.
    spacing: Option<String>,
    sigmas: Option<Vec<f64>>,
    listed_timesteps: Option<Vec<f64>>,
    evaluations: usize,
    /// Evaluations of each solver step, if not one.
    stages: Option<Vec<usize>>,
    timesteps: Vec<f64>,
    #[serde(rename = "final")]
    last: [f64; 3],
    /// Absent where diffusers has no such run that is well defined, or `shipped` alone where it is not in f32:
    /// see training/goldens_solver/shipped.py and shipped_flow.py.
    shipped: Option<[f64; 3]>,
    raised: Option<[f64; 3]>,
}

impl Case {
    fn options(&self) -> SolverOptions {
        let field = |value: &Value| match value {
            Value::Number(number) => Field::Number(number.as_f64().expect("a number")),
            Value::String(text) => Field::Text(text.clone()),
            other => Field::Other(other.to_string()),
        };
        let fields: Vec<_> = self.options.iter().map(|(name, value)| (name.clone(), field(value))).collect();
        SolverOptions::from_fields(&fields).expect("known options")
    }

    fn plan(&self, config: &SchedulerConfig) -> tenstep::Result<SamplingPlan> {
        let (solver, options) = (solver::find(&self.solver)?, self.options());
        match (&self.spacing, &self.sigmas, &self.listed_timesteps) {
            (Some(spacing), None, None) => {
                solver::plan(solver, &options, config, Spacing::find(spacing)?, self.evaluations)
            }
            (None, Some(list), None) => solver::plan_at(solver, &options, config, Levels::Sigmas(list)),
            (None, None, Some(list)) => solver::plan_at(solver, &options, config, Levels::Timesteps(list)),
            given => panic!("a run visits the levels of one of {given:?}"),
        }
    }
}

type Sample = [f64; 3];

/// What an ideal network gives for a mixture of Gaussians.
struct Mixture {
    prediction_type: PredictionType,
    schedule: Schedule,
}

impl Mixture {
    const MEANS: [Sample; 3] = [[-0.8, 0.1, 1.3], [0.9, -0.6, -0.2], [0.1, 1.1, -1.0]];
    const WEIGHTS: [f64; 3] = [0.5, 0.3, 0.2];
    /// Of each component.
    const VARIANCE: f64 = 0.25;

    /// Of what it sees when it is told `timestep`.
    fn level(&self, timestep: f64) -> NoiseLevel {
        if self.prediction_type == PredictionType::Flow {
            return NoiseLevel::from_flow(timestep / self.schedule.alphas_cumprod.len() as f64);
        }
        let low = timestep.floor() as usize;
        if timestep == low as f64 {
            return self.schedule.level(low);
        }
        let log_sigma = |t: usize| -self.schedule.nonzero_level(t).lambda();
        let weight = timestep - low as f64;
        NoiseLevel::from_sigma(((1.0 - weight) * log_sigma(low) + weight * log_sigma(low + 1)).exp())
    }

    /// The mean of what `x` may have come from.
    fn denoised(x: Sample, NoiseLevel { alpha, sigma }: NoiseLevel) -> Sample {
        let variance = alpha * alpha * Self::VARIANCE + sigma * sigma;
        let log_share: [f64; 3] = std::array::from_fn(|k| {
            let distance: f64 =
                x.iter().zip(Self::MEANS[k]).map(|(x, mean)| (x - alpha * mean).powi(2)).sum();
            Self::WEIGHTS[k].ln() - distance / (2.0 * variance)
        });
        let largest = log_share.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let share = log_share.map(|log_share| (log_share - largest).exp());
        let sum: f64 = share.iter().sum();
        let gain = alpha * Self::VARIANCE / variance;
        std::array::from_fn(|i| {
            let of = |k: usize| Self::MEANS[k][i] + gain * (x[i] - alpha * Self::MEANS[k][i]);
            (0..3).map(|k| share[k] / sum * of(k)).sum()
        })
    }

    fn output(&self, seen: Sample, timestep: f64) -> Sample {
        let level = self.level(timestep);
        let scale = self.prediction_type.model_input_scale(level);
        let x = seen.map(|value| value / scale);
        let denoised = Self::denoised(x, level);
        std::array::from_fn(|i| {
            let epsilon = (x[i] - level.alpha * denoised[i]) / level.sigma;
            self.prediction_type.model_output(level, denoised[i], epsilon)
        })
    }
}

/// What the pipeline does, with its rings of samples and model values.
fn run(plan: &SamplingPlan, start: Sample, network: &Mixture) -> Sample {
    let mut samples = vec![[f64::NAN; 3]; plan.samples];
    let mut values = vec![[f64::NAN; 3]; plan.history];
    samples[0] = start.map(|value| plan.init_noise_sigma * value);
    for (index, step) in plan.steps.iter().enumerate() {
        let (now, next) = (index % plan.samples, (index + 1) % plan.samples);
        let x = samples[now];
        let output = network.output(x.map(|value| step.model_input_scale * value), step.timestep);
        let value = |i: usize| step.model_value.sample * x[i] + step.model_value.model_output * output[i];
        values[index % plan.history] = std::array::from_fn(value);
        let combine = |samples: &[Sample], terms: &[(Source, f64)]| -> Sample {
            let read = |source: Source, i: usize| match source {
                Source::Sample(back) => samples[(index + plan.samples - back) % plan.samples][i],
                Source::ModelValue(back) => values[(index + plan.history - back) % plan.history][i],
                Source::Noise => ((7 * index + 3 * i + 5) % 11) as f64 / 4.0 - 1.25,
            };
            std::array::from_fn(|i| {
                terms.iter().map(|&(source, coefficient)| coefficient * read(source, i)).sum()
            })
        };
        if !step.correction.is_empty() {
            samples[now] = combine(&samples, &step.correction);
        }
        samples[next] = combine(&samples, &step.update);
    }
    samples[plan.steps.len() % plan.samples]
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn check(golden: &str) -> usize {
    let golden: Golden = serde_json::from_str(golden).expect("the golden is JSON");
    let mut worst = BTreeMap::<&str, (f64, Option<f64>, Option<f64>)>::new();
    for case in &golden.cases {
        let name = format!(
            "{} {:?} {} {:?} {:?} {:?} {} evaluations",
            case.solver,
            case.options,
            case.config,
            case.spacing,
            case.sigmas,
            case.listed_timesteps,
            case.evaluations
        );
        let config = SchedulerConfig::from_json(&golden.configs[&case.config]).expect(&name);
        let plan = case.plan(&config).expect(&name);

        let stages = case.stages.clone().unwrap_or(vec![1; case.evaluations]);
        assert_eq!(plan.stages, stages, "{name}");
        let timesteps: Vec<f64> = plan.steps.iter().map(|step| step.timestep).collect();
        assert!(largest_difference(&timesteps, &case.timesteps) < 1e-8, "{name}: {timesteps:?}");

        let schedule = Schedule::new(&config).expect(&name);
        let network = Mixture { prediction_type: config.prediction_type, schedule };
        let last = run(&plan, golden.start, &network);
        let to_reference = largest_difference(&last, &case.last);
        assert!(to_reference < TO_REFERENCE, "{name}: {last:?} is {to_reference:e} from the reference");
        let (reference, shipped, raised) = worst.entry(&case.solver).or_default();
        *reference = reference.max(to_reference);

        // An epsilon network divides the f32 rounding of diffusers' sigma_t by alpha_t. Near pure noise
        // that alone exceeds the bound; one rounding is then allowed.
        let rounding = match config.prediction_type {
            PredictionType::Epsilon => {
                let first = network.schedule.nonzero_level(plan.steps[0].timestep as usize);
                f64::from(f32::EPSILON) / first.alpha
            }
            _ => 0.0,
        };
        let to = |theirs: Option<Sample>| theirs.map(|theirs| largest_difference(&last, &theirs));
        if let Some(distance) = to(case.shipped) {
            assert!(distance < TO_SHIPPED.max(rounding), "{name}: {last:?} is {distance:e} from diffusers");
            *shipped = Some(shipped.unwrap_or(0.0).max(distance));
        }
        if let Some(distance) = to(case.raised) {
            assert!(distance < TO_RAISED, "{name}: {last:?} is {distance:e} from diffusers in f64");
            *raised = Some(raised.unwrap_or(0.0).max(distance));
        }
    }
    for (solver, (reference, shipped, raised)) in worst {
        let theirs = |distance: Option<f64>| {
            distance.map_or("not compared".to_owned(), |distance| format!("{distance:.1e}"))
        };
        println!(
            "{solver}: at most {reference:.1e} from the reference; from diffusers {}, in f64 {}",
            theirs(shipped),
            theirs(raised)
        );
    }
    golden.cases.len()
}

macro_rules! goldens {
    ($($test:ident: $file:literal, $cases:literal;)*) => {$(
        #[test]
        fn $test() {
            assert_eq!(check(include_str!(concat!("goldens/solver/", $file, ".json"))), $cases);
        }
    )*};
}

goldens! {
    spacings_follow_the_reference: "spacings", 180;
    flow_follows_the_reference_and_diffusers: "flow", 342;
    ddim_follows_the_reference_and_diffusers: "ddim", 155;
    dpmpp_2m_follows_the_reference_and_diffusers: "dpmpp-2m", 188;
    dpm_multistep_follows_the_reference_and_diffusers: "dpm-multistep", 51;
    dpm_sde_follows_the_reference_and_diffusers: "dpm-sde", 84;
    dpm_singlestep_follows_the_reference_and_diffusers: "dpm-singlestep", 99;
    unipc_follows_the_reference_and_diffusers: "unipc", 117;
    deis_follows_the_reference_and_diffusers: "deis", 126;
    pndm_follows_the_reference_and_diffusers: "pndm", 76;
    runge_kutta_follows_the_reference_and_diffusers: "runge-kutta", 96;
    ancestral_follows_the_reference_and_diffusers: "ancestral", 159;
    sa_solver_follows_the_reference_and_diffusers: "sa-solver", 144;
    consistency_follows_the_reference_and_diffusers: "consistency", 66;
}
