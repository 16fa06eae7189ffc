//! Options of the methods: which there are, what each accepts, what holds where one is left out.

use serde::{Deserialize, Serialize};

use super::config::{DYNAMIC_THRESHOLDING_RATIO, SAMPLE_MAX_VALUE};
use super::{FinalSigmas, PredictionType, SchedulerConfig, SolverType, Thresholding};
use crate::error::{Error, Result};
use crate::options::Field;

/// What a caller asks of a method beyond its name. What is `None` follows the checkpoint or the method.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SolverOptions {
    /// The most earlier evaluations a step uses, plus one.
    pub order: Option<usize>,
    pub solver_type: Option<SolverType>,
    /// How much of the noise a step takes away is drawn anew: 0 is deterministic, 1 the method's own measure.
    pub eta: Option<f64>,
    /// Factor of the noise drawn anew.
    pub s_noise: Option<f64>,
    /// Where the noise drawn anew comes from.
    pub noise_sampler: Option<NoiseSampler>,
    /// How much noise is added before steps, over the whole run.
    pub s_churn: Option<f64>,
    /// The least `sigma / alpha` before which noise is added.
    pub s_tmin: Option<f64>,
    /// The most.
    pub s_tmax: Option<f64>,
    /// Adaptive steps: the error that a step may make in each element.
    pub atol: Option<f64>,
    /// The same as a part of the element.
    pub rtol: Option<f64>,
    /// Whether a new model value also improves the sample it was computed for.
    pub corrector: Option<bool>,
    /// Lower orders at the end of short runs.
    pub lower_order_final: Option<bool>,
    /// First order at the last step of any run.
    pub euler_at_final: Option<bool>,
    /// The level where the run ends.
    pub final_sigmas: Option<FinalSigmas>,
    /// Whether estimates of a clean picture are kept to the range of pixels; see [`Thresholding`].
    pub thresholding: Option<bool>,
    /// [`Thresholding::ratio`].
    pub dynamic_thresholding_ratio: Option<f64>,
    /// [`Thresholding::sample_max_value`].
    pub sample_max_value: Option<f64>,
}

/// Where the noise of a stochastic step comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseSampler {
    /// One path for any number of steps.
    Brownian,
    /// Drawn for each evaluation.
    Independent,
}

impl NoiseSampler {
    const fn name(self) -> &'static str {
        match self {
            Self::Brownian => "brownian",
            Self::Independent => "independent",
        }
    }
}

/// One option of a method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct OptionSpec {
    pub name: &'static str,
    #[serde(flatten)]
    pub accepted: Accepted,
}

/// What an option accepts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Accepted {
    /// A whole number, both ends included, and the one taken if left out.
    Whole { least: usize, most: usize, default: usize },
    /// A number, both ends included, and the one taken if left out.
    Number { least: f64, most: f64, default: f64 },
    /// One of these words. The first, or what the checkpoint says, is taken if left out.
    Words(&'static [&'static str]),
    /// Yes or no, and which if left out; `None` is what the checkpoint says.
    Switch { default: Option<bool> },
}

/// Accepted by every method, for networks of pixels. What the checkpoint says is taken where it says something.
pub static OF_EVERY_METHOD: [OptionSpec; 3] = [
    OptionSpec { name: "thresholding", accepted: Accepted::Switch { default: None } },
    OptionSpec {
        name: "dynamic_thresholding_ratio",
        accepted: Accepted::Number {
            least: *DYNAMIC_THRESHOLDING_RATIO.start(),
            most: *DYNAMIC_THRESHOLDING_RATIO.end(),
            default: 0.995,
        },
    },
    OptionSpec {
        name: "sample_max_value",
        accepted: Accepted::Number {
            least: *SAMPLE_MAX_VALUE.start(),
            most: *SAMPLE_MAX_VALUE.end(),
            default: 1.0,
        },
    },
];

/// Accepted by every method that does not choose its own end.
pub(super) const FINAL_SIGMAS: OptionSpec =
    OptionSpec { name: "final_sigmas", accepted: Accepted::Words(&["zero", "sigma_min"]) };
/// Accepted by methods whose order falls at the end.
pub(super) const LOWER_ORDER_FINAL: OptionSpec =
    OptionSpec { name: "lower_order_final", accepted: Accepted::Switch { default: None } };
/// Accepted by methods whose order falls at the end.
pub(super) const EULER_AT_FINAL: OptionSpec =
    OptionSpec { name: "euler_at_final", accepted: Accepted::Switch { default: None } };
/// Accepted by methods of the DPM-Solver family.
pub(super) const SOLVER_TYPE: OptionSpec =
    OptionSpec { name: "solver_type", accepted: Accepted::Words(&["midpoint", "heun"]) };
/// Accepted by stochastic methods.
pub(super) const S_NOISE: OptionSpec =
    OptionSpec { name: "s_noise", accepted: Accepted::Number { least: 0.0, most: 2.0, default: 1.0 } };

/// Accepted by methods that solve the stochastic equation.
pub(super) const NOISE_SAMPLER: OptionSpec =
    OptionSpec { name: "noise_sampler", accepted: Accepted::Words(&["brownian", "independent"]) };

/// Accepted by methods that can add noise before a step.
pub(super) const S_CHURN: OptionSpec =
    OptionSpec { name: "s_churn", accepted: Accepted::Number { least: 0.0, most: 1000.0, default: 0.0 } };
/// Accepted with [`S_CHURN`].
pub(super) const S_TMIN: OptionSpec =
    OptionSpec { name: "s_tmin", accepted: Accepted::Number { least: 0.0, most: MOST_SIGMA, default: 0.0 } };
/// Accepted with [`S_CHURN`].
pub(super) const S_TMAX: OptionSpec = OptionSpec {
    name: "s_tmax",
    accepted: Accepted::Number { least: 0.0, most: MOST_SIGMA, default: MOST_SIGMA },
};
/// More than `sigma / alpha` of any level.
const MOST_SIGMA: f64 = 1e9;

/// Accepted by methods that add noise; the upper end keeps the noise below what the level has.
pub(super) const fn eta(default: f64) -> OptionSpec {
    OptionSpec { name: "eta", accepted: Accepted::Number { least: 0.0, most: 1.0, default } }
}

/// Accepted by methods of several orders.
pub(super) const fn order(most: usize, default: usize) -> OptionSpec {
    OptionSpec { name: "order", accepted: Accepted::Whole { least: 1, most, default } }
}

impl Accepted {
    fn describe(self) -> String {
        match self {
            Self::Whole { least, most, .. } => format!("a whole number from {least} to {most}"),
            Self::Number { least, most, .. } => format!("a number from {least} to {most}"),
            Self::Words(words) => format!("one of {}", words.join(", ")),
            Self::Switch { .. } => "true or false".to_owned(),
        }
    }
}

impl SolverOptions {
    /// Reads named fields, such as a command line's.
    ///
    /// Errors with [`Error::InvalidOption`]: no such option, or a value of another type.
    pub fn from_fields(fields: &[(String, Field)]) -> Result<Self> {
        let mut options = Self::default();
        for (name, field) in fields {
            match name.as_str() {
                "order" => options.order = Some(whole("order", field)?),
                "solver_type" => options.solver_type = Some(word("solver_type", field)?),
                "eta" => options.eta = Some(number("eta", field)?),
                "s_noise" => options.s_noise = Some(number("s_noise", field)?),
                "noise_sampler" => options.noise_sampler = Some(word("noise_sampler", field)?),
                "s_churn" => options.s_churn = Some(number("s_churn", field)?),
                "s_tmin" => options.s_tmin = Some(number("s_tmin", field)?),
                "s_tmax" => options.s_tmax = Some(number("s_tmax", field)?),
                "atol" => options.atol = Some(number("atol", field)?),
                "rtol" => options.rtol = Some(number("rtol", field)?),
                "corrector" => options.corrector = Some(switch("corrector", field)?),
                "lower_order_final" => {
                    options.lower_order_final = Some(switch("lower_order_final", field)?);
                }
                "euler_at_final" => options.euler_at_final = Some(switch("euler_at_final", field)?),
                "final_sigmas" => options.final_sigmas = Some(word("final_sigmas", field)?),
                "thresholding" => options.thresholding = Some(switch("thresholding", field)?),
                "dynamic_thresholding_ratio" => {
                    options.dynamic_thresholding_ratio = Some(number("dynamic_thresholding_ratio", field)?);
                }
                "sample_max_value" => {
                    options.sample_max_value = Some(number("sample_max_value", field)?);
                }
                _ => {
                    return Err(Error::InvalidOption {
                        option: "solverOptions",
                        accepted: format!("made of {}", Self::NAMES.join(", ")),
                        value: format!("{name:?}"),
                    });
                }
            }
        }
        Ok(options)
    }

    /// Every option's name.
    pub const NAMES: [&str; 17] = [
        "order",
        "solver_type",
        "eta",
        "s_noise",
        "noise_sampler",
        "s_churn",
        "s_tmin",
        "s_tmax",
        "atol",
        "rtol",
        "corrector",
        "lower_order_final",
        "euler_at_final",
        "final_sigmas",
        "thresholding",
        "dynamic_thresholding_ratio",
        "sample_max_value",
    ];

    /// Whether the method called `solver`, which has the options `specs` and those of every method, accepts every option
    /// that is set.
    pub(super) fn check(&self, solver: &str, specs: &[OptionSpec]) -> Result<()> {
        for (name, value) in self.set() {
            let Some(spec) = specs.iter().chain(&OF_EVERY_METHOD).find(|spec| spec.name == name) else {
                let known: Vec<&str> = specs.iter().map(|spec| spec.name).collect();
                let accepted = match known.as_slice() {
                    [] => format!("left out: {solver} has none"),
                    known => format!("left out: {solver} has only {}", known.join(", ")),
                };
                return Err(Error::InvalidOption { option: name, accepted, value: value.to_string() });
            };
            let fits = match (spec.accepted, &value) {
                (Accepted::Whole { least, most, .. }, Value::Whole(value)) => (least..=most).contains(value),
                (Accepted::Number { least, most, .. }, Value::Number(value)) => {
                    (least..=most).contains(value)
                }
                (Accepted::Words(words), Value::Word(value)) => words.contains(value),
                (Accepted::Switch { .. }, Value::Switch(_)) => true,
                _ => false,
            };
            if !fits {
                let accepted = spec.accepted.describe();
                return Err(Error::InvalidOption { option: name, accepted, value: value.to_string() });
            }
        }
        Ok(())
    }

    /// The options that are set.
    fn set(&self) -> impl Iterator<Item = (&'static str, Value)> {
        [
            ("order", self.order.map(Value::Whole)),
            ("solver_type", self.solver_type.map(|value| Value::Word(value.name()))),
            ("eta", self.eta.map(Value::Number)),
            ("s_noise", self.s_noise.map(Value::Number)),
            ("noise_sampler", self.noise_sampler.map(|value| Value::Word(value.name()))),
            ("s_churn", self.s_churn.map(Value::Number)),
            ("s_tmin", self.s_tmin.map(Value::Number)),
            ("s_tmax", self.s_tmax.map(Value::Number)),
            ("atol", self.atol.map(Value::Number)),
            ("rtol", self.rtol.map(Value::Number)),
            ("corrector", self.corrector.map(Value::Switch)),
            ("lower_order_final", self.lower_order_final.map(Value::Switch)),
            ("euler_at_final", self.euler_at_final.map(Value::Switch)),
            ("final_sigmas", self.final_sigmas.map(|value| Value::Word(value.name()))),
            ("thresholding", self.thresholding.map(Value::Switch)),
            ("dynamic_thresholding_ratio", self.dynamic_thresholding_ratio.map(Value::Number)),
            ("sample_max_value", self.sample_max_value.map(Value::Number)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

/// An option's value.
enum Value {
    Whole(usize),
    Number(f64),
    Word(&'static str),
    Switch(bool),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::Word(value) => write!(f, "{value:?}"),
            Self::Switch(value) => write!(f, "{value}"),
        }
    }
}

/// The options of a run: the caller's, else the checkpoint's, else the method's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    pub prediction_type: PredictionType,
    pub solver_type: SolverType,
    pub lower_order_final: bool,
    pub euler_at_final: bool,
    pub s_noise: f64,
    pub noise_sampler: NoiseSampler,
    pub s_churn: f64,
    pub s_tmin: f64,
    pub s_tmax: f64,
    pub corrector: bool,
    pub atol: Option<f64>,
    pub rtol: Option<f64>,
    pub thresholding: Option<Thresholding>,
    order: Option<usize>,
    eta: Option<f64>,
}

impl Settings {
    /// `options` are accepted by the method.
    pub fn new(config: &SchedulerConfig, options: &SolverOptions) -> Self {
        Self {
            prediction_type: config.prediction_type,
            solver_type: options.solver_type.unwrap_or(config.solver_type),
            lower_order_final: options.lower_order_final.unwrap_or(config.lower_order_final),
            euler_at_final: options.euler_at_final.unwrap_or(config.euler_at_final),
            s_noise: options.s_noise.unwrap_or(1.0),
            noise_sampler: options.noise_sampler.unwrap_or(NoiseSampler::Brownian),
            s_churn: options.s_churn.unwrap_or(0.0),
            s_tmin: options.s_tmin.unwrap_or(0.0),
            s_tmax: options.s_tmax.unwrap_or(MOST_SIGMA),
            corrector: options.corrector.unwrap_or(true),
            atol: options.atol,
            rtol: options.rtol,
            thresholding: options.thresholding.unwrap_or(config.thresholding).then(|| Thresholding {
                ratio: options.dynamic_thresholding_ratio.unwrap_or(config.dynamic_thresholding_ratio),
                sample_max_value: options.sample_max_value.unwrap_or(config.sample_max_value),
            }),
            order: options.order,
            eta: options.eta,
        }
    }

    /// The order asked for, or the method's.
    pub(super) fn order_or(&self, default: usize) -> usize {
        self.order.unwrap_or(default)
    }

    /// The `eta` asked for, or the method's.
    pub(super) fn eta_or(&self, default: f64) -> f64 {
        self.eta.unwrap_or(default)
    }
}

fn refused<T>(option: &'static str, accepted: &str, field: &Field) -> Result<T> {
    Err(Error::InvalidOption { option, accepted: accepted.to_owned(), value: field.describe() })
}

fn whole(option: &'static str, field: &Field) -> Result<usize> {
    match field {
        Field::Number(number) if number.fract() == 0.0 && (0.0..=1e6).contains(number) => {
            Ok(*number as usize)
        }
        _ => refused(option, "a whole number", field),
    }
}

fn number(option: &'static str, field: &Field) -> Result<f64> {
    match field {
        Field::Number(number) if number.is_finite() => Ok(*number),
        _ => refused(option, "a number", field),
    }
}

fn switch(option: &'static str, field: &Field) -> Result<bool> {
    match field {
        Field::Text(text) | Field::Other(text) if text == "true" => Ok(true),
        Field::Text(text) | Field::Other(text) if text == "false" => Ok(false),
        _ => refused(option, "true or false", field),
    }
}

/// A word that a config may hold too.
fn word<T: serde::de::DeserializeOwned>(option: &'static str, field: &Field) -> Result<T> {
    match field {
        Field::Text(text) => {
            serde_json::from_value(serde_json::Value::String(text.clone())).or_else(|error| {
                let accepted = error.to_string();
                let accepted = accepted.split_once("expected ").map_or(accepted.as_str(), |(_, words)| words);
                refused(option, accepted, field)
            })
        }
        _ => refused(option, "a word", field),
    }
}
