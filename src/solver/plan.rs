//! The contract between a solver and a sampling loop.

use super::{NoiseLevel, Thresholding};
use crate::error::{Error, Result};
use crate::executor::MAX_TERMS;

/// A sampling loop, as numbers.
///
/// ```text
/// sample = init_noise_sigma · noise
/// for each evaluation:
///     model_output = network(model_input_scale · sample, timestep)              guided, where guidance is on
///     denoised     = denoised.sample · sample + denoised.model_output · model_output
///     model_value  = model_value.sample · sample + model_value.model_output · model_output
///     where there is thresholding, instead:
///         denoised     = thresholding(denoised)
///         model_value  = by_denoised[0] · sample + by_denoised[1] · denoised       StepPlan::model_value_by_denoised
///     sample       = Σ coefficient · source                over correction, where there is one
///     sample       = Σ coefficient · source                over update
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingPlan {
    /// Standard deviation of the first sample.
    pub init_noise_sigma: f64,
    /// One entry for each evaluation of the network.
    pub steps: Vec<StepPlan>,
    /// How many evaluations each step of the solver takes. They add up to the entries of `steps`.
    pub stages: Vec<usize>,
    /// How many model values must be kept, the current one included; at least 1.
    pub history: usize,
    /// How many samples must be kept, the current one included; at least 1.
    pub samples: usize,
    /// What is done to each estimate of the clean sample.
    pub thresholding: Option<Thresholding>,
}

/// One evaluation of the network, and how the sample goes on from it: to the next noise level, or to the next
/// stage of a step that takes several evaluations.
#[derive(Debug, Clone, PartialEq)]
pub struct StepPlan {
    /// The network's time input; may be fractional.
    pub timestep: f64,
    /// The noise level of the sample that the network sees.
    pub level: NoiseLevel,
    /// Factor of the sample on its way into the network; 1 for variance-preserving networks.
    pub model_input_scale: f64,
    /// What the method keeps of this evaluation.
    pub model_value: LinearMap,
    /// The estimate of the clean sample, for previews and whatever steers by it.
    pub denoised: LinearMap,
    /// Where on a [`crate::random::BrownianPath`] the noise is an increment, from and to; `None`: the noise of an
    /// evaluation is independent of all other.
    pub noise_span: Option<[f64; 2]>,
    /// What replaces the current sample once its model value is known, before the update; empty for methods
    /// that do not correct. Each source occurs at most once.
    pub correction: Vec<(Source, f64)>,
    /// The next sample. Each source occurs at most once; all are read before the next sample is written.
    pub update: Vec<(Source, f64)>,
}

/// `sample · x + model_output · network(x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearMap {
    pub sample: f64,
    pub model_output: f64,
}

/// What an update or a correction reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The sample that entered an evaluation, so many evaluations back, corrected where that evaluation
    /// corrected it; 0 is this evaluation's.
    Sample(usize),
    /// A model value, so many evaluations back; 0 is this evaluation's.
    ModelValue(usize),
    /// Fresh standard normal noise of this evaluation.
    Noise,
}

impl StepPlan {
    /// The model value's coefficients of the sample and of [`StepPlan::denoised`], for whoever changes the latter: the
    /// output is what would have led to it.
    pub fn model_value_by_denoised(&self) -> [f64; 2] {
        let of_denoised = self.model_value.model_output / self.denoised.model_output;
        [self.model_value.sample - of_denoised * self.denoised.sample, of_denoised]
    }

    fn sources(&self) -> impl Iterator<Item = (Source, f64)> {
        self.correction.iter().chain(&self.update).copied()
    }
}

impl SamplingPlan {
    /// Evaluations of the network.
    pub fn evaluations(&self) -> usize {
        self.steps.len()
    }

    /// Steps of the solver; fewer than evaluations where a step takes several.
    pub fn solver_steps(&self) -> usize {
        self.stages.len()
    }

    /// Whether any step reads fresh noise.
    pub fn is_stochastic(&self) -> bool {
        self.steps.iter().flat_map(StepPlan::sources).any(|(source, _)| source == Source::Noise)
    }

    /// Sampling from unit noise through `steps`, grouped into solver steps by `stages`.
    pub(super) fn new(steps: Vec<StepPlan>, stages: Vec<usize>) -> Result<Self> {
        assert_eq!(stages.iter().sum::<usize>(), steps.len(), "each evaluation belongs to a solver step");
        for (index, step) in steps.iter().enumerate() {
            assert!(step.correction.len().max(step.update.len()) <= MAX_TERMS, "too many terms: {step:?}");
            let reaches = |(source, _)| match source {
                Source::Sample(back) | Source::ModelValue(back) => back <= index,
                Source::Noise => true,
            };
            assert!(step.sources().all(reaches), "evaluation {index} reads what was before the first");
        }
        let finite = |step: &StepPlan| {
            let maps = [step.model_value, step.denoised].map(|map| [map.sample, map.model_output]);
            let coefficients = step.sources().map(|(_, coefficient)| coefficient);
            maps.into_iter().flatten().chain(coefficients).chain([step.timestep]).all(f64::is_finite)
        };
        if !steps.iter().all(finite) {
            let message = "the noise schedule leads to coefficients that are not finite".to_owned();
            return Err(Error::InvalidConfig { component: "scheduler".to_owned(), message });
        }
        let reach = |of: fn(Source) -> Option<usize>| {
            let sources = steps.iter().flat_map(StepPlan::sources);
            1 + sources.filter_map(|(source, _)| of(source)).max().unwrap_or(0)
        };
        let history = reach(|source| if let Source::ModelValue(back) = source { Some(back) } else { None });
        let samples = reach(|source| if let Source::Sample(back) = source { Some(back) } else { None });
        Ok(Self { init_noise_sigma: 1.0, steps, stages, history, samples, thresholding: None })
    }
}
