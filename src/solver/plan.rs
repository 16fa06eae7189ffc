//! The contract between a solver and a sampling loop.

use crate::error::{Error, Result};

/// A sampling loop, as numbers.
///
/// ```text
/// sample = init_noise_sigma · noise
/// for each step:
///     model_output = network(model_input_scale · sample, timestep)              guided, where guidance is on
///     model_value  = model_value.sample · sample + model_value.model_output · model_output
///     sample       = Σ coefficient · source                                     over update
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingPlan {
    /// Standard deviation of the first sample.
    pub init_noise_sigma: f64,
    pub steps: Vec<StepPlan>,
    /// How many model values must be kept, the current one included; at least 1.
    pub history: usize,
}

/// One step, with one evaluation of the network.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// The network's time input; may be fractional.
    pub timestep: f64,
    /// Factor of the sample on its way into the network; 1 for variance-preserving networks.
    pub model_input_scale: f64,
    /// What the method keeps of this evaluation.
    pub model_value: LinearMap,
    /// The estimate of the clean sample, for previews and whatever steers by it.
    pub denoised: LinearMap,
    /// The next sample. Each source occurs at most once, the current sample and model value are read before
    /// they are replaced.
    pub update: Vec<(Source, f64)>,
}

/// `sample · x + model_output · network(x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearMap {
    pub sample: f64,
    pub model_output: f64,
}

/// What an update reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The sample before the step.
    Sample,
    /// A model value, so many evaluations back; 0 is this step's.
    ModelValue(usize),
    /// Fresh standard normal noise of this step.
    Noise,
}

impl SamplingPlan {
    /// Whether any step reads fresh noise.
    pub fn is_stochastic(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.update).any(|(source, _)| *source == Source::Noise)
    }

    /// Sampling from unit noise through `steps`.
    pub(super) fn new(steps: Vec<StepPlan>) -> Result<Self> {
        let coefficients = |step: &StepPlan| {
            let maps = [step.model_value, step.denoised].map(|map| [map.sample, map.model_output]);
            let update = step.update.iter().map(|&(_, coefficient)| coefficient);
            maps.into_iter().flatten().chain(update).chain([step.timestep]).all(f64::is_finite)
        };
        if !steps.iter().all(coefficients) {
            let message = "the noise schedule leads to coefficients that are not finite".to_owned();
            return Err(Error::InvalidConfig { component: "scheduler".to_owned(), message });
        }
        let reach = |&(source, _): &(Source, f64)| match source {
            Source::ModelValue(back) => back + 1,
            Source::Sample | Source::Noise => 1,
        };
        let history = steps.iter().flat_map(|step| &step.update).map(reach).max().unwrap_or(1);
        Ok(Self { init_noise_sigma: 1.0, steps, history })
    }
}
