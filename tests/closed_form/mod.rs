//! Runs of the planners with a network known in closed form, on the host in f64.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;

use serde_json::Value;
use tenstep::options::Field;
use tenstep::solver::{
    LinearMap, NoiseLevel, PredictionType, SamplingPlan, Schedule, SchedulerConfig, SolverOptions, Source,
};

pub type Sample = [f64; 3];

/// What an ideal network gives for a mixture of Gaussians.
pub struct Mixture {
    pub prediction_type: PredictionType,
    pub schedule: Schedule,
}

impl Mixture {
    pub fn new(config: &SchedulerConfig) -> Self {
        let schedule = Schedule::new(config).expect("a schedule");
        Self { prediction_type: config.prediction_type, schedule }
    }

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

    pub fn output(&self, seen: Sample, timestep: f64) -> Sample {
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

/// What the pipeline keeps of a run: entry `i % len` of each belongs to evaluation `i`.
pub struct Rings {
    samples: Vec<Sample>,
    values: Vec<Sample>,
}

impl Rings {
    pub fn new(plan: &SamplingPlan, start: Sample) -> Self {
        let mut samples = vec![[f64::NAN; 3]; plan.samples];
        samples[0] = start.map(|value| plan.init_noise_sigma * value);
        Self { samples, values: vec![[f64::NAN; 3]; plan.history] }
    }

    /// The sample that enters evaluation `index`.
    pub fn sample(&self, index: usize) -> Sample {
        self.samples[index % self.samples.len()]
    }

    /// Evaluates the network, corrects, and updates.
    pub fn step(&mut self, plan: &SamplingPlan, index: usize, network: &Mixture, noise: Sample) {
        let step = &plan.steps[index];
        let x = self.sample(index);
        let output = network.output(x.map(|value| step.model_input_scale * value), step.timestep);
        let mapped =
            |map: LinearMap| std::array::from_fn(|i| map.sample * x[i] + map.model_output * output[i]);
        let (now, kept) = (index % self.samples.len(), index % self.values.len());
        self.values[kept] = match plan.thresholding {
            None => mapped(step.model_value),
            Some(thresholding) => {
                let mut denoised: Sample = mapped(step.denoised);
                thresholding.apply(&mut denoised);
                let [of_sample, of_denoised] = step.model_value_by_denoised();
                std::array::from_fn(|i| of_sample * x[i] + of_denoised * denoised[i])
            }
        };
        if !step.correction.is_empty() {
            self.samples[now] = self.combination(index, &step.correction, noise);
        }
        self.update(plan, index, noise);
    }

    /// The update after evaluation `index` alone.
    pub fn update(&mut self, plan: &SamplingPlan, index: usize, noise: Sample) {
        let next = (index + 1) % self.samples.len();
        self.samples[next] = self.combination(index, &plan.steps[index].update, noise);
    }

    pub fn combination(&self, index: usize, terms: &[(Source, f64)], noise: Sample) -> Sample {
        let (samples, values) = (&self.samples, &self.values);
        let read = |source: Source, i: usize| match source {
            Source::Sample(back) => samples[(index + samples.len() - back) % samples.len()][i],
            Source::ModelValue(back) => values[(index + values.len() - back) % values.len()][i],
            Source::Noise => noise[i],
        };
        std::array::from_fn(|i| {
            terms.iter().map(|&(source, coefficient)| coefficient * read(source, i)).sum()
        })
    }
}

/// The end of a run, with `noise` of each evaluation.
pub fn run(
    plan: &SamplingPlan,
    start: Sample,
    network: &Mixture,
    mut noise: impl FnMut(usize) -> Sample,
) -> Sample {
    let mut rings = Rings::new(plan, start);
    for index in 0..plan.steps.len() {
        rings.step(plan, index, network, noise(index));
    }
    rings.sample(plan.steps.len())
}

/// Options as a golden file writes them.
pub fn options(written: &BTreeMap<String, Value>) -> SolverOptions {
    let field = |value: &Value| match value {
        Value::Number(number) => Field::Number(number.as_f64().expect("a number")),
        Value::String(text) => Field::Text(text.clone()),
        other => Field::Other(other.to_string()),
    };
    let fields: Vec<_> = written.iter().map(|(name, value)| (name.clone(), field(value))).collect();
    SolverOptions::from_fields(&fields).expect("known options")
}

pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
