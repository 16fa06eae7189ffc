//! scheduler_config.json, as diffusers writes it.
//!
//! Whichever scheduler class wrote it, the file describes the noise that the network was trained on; the class
//! is only its author's choice of a solver. Fields that would change the noise or the arithmetic in a way that
//! this crate does not follow are errors; a field that no scheduler of diffusers writes is one too.

use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::PredictionType;
use crate::error::{Error, Result};

/// The noise schedule of a checkpoint, and how its solvers treat the ends. Defaults are diffusers'.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct SchedulerConfig {
    pub num_train_timesteps: usize,
    pub beta_start: f64,
    pub beta_end: f64,
    pub beta_schedule: BetaSchedule,
    /// Instead of a formula: one value per training timestep.
    pub trained_betas: Option<Vec<f64>>,
    pub prediction_type: PredictionType,
    /// Added to the timesteps of the `leading` spacing.
    pub steps_offset: usize,
    /// Shifts the schedule so that the last timestep is pure noise.
    pub rescale_betas_zero_snr: bool,
    /// DDIM: end at a clean sample, rather than at the level of timestep 0.
    pub set_alpha_to_one: bool,
    /// Multistep solvers: the level at which they end.
    pub final_sigmas_type: FinalSigmas,
    /// Multistep solvers: lower orders at the end of short runs.
    pub lower_order_final: bool,
    /// Multistep solvers: first order at the last step of any run.
    pub euler_at_final: bool,
    pub solver_type: SolverType,
    /// Leaves out timesteps whose half log signal-to-noise ratio is below this. Steep schedules need it.
    pub lambda_min_clipped: Option<f64>,
    /// Whether estimates of a clean picture are kept to the range of pixels, with the two fields that follow: see
    /// [`Thresholding`](super::Thresholding).
    pub thresholding: bool,
    pub dynamic_thresholding_ratio: f64,
    pub sample_max_value: f64,
    /// Flow matching: how much more the noisy part of the way counts; 1 is even.
    #[serde(alias = "shift")]
    pub flow_shift: f64,
}

/// How beta grows over the training timesteps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BetaSchedule {
    /// Evenly. Ho et al. 2020.
    Linear,
    /// Its square root evenly. Latent diffusion.
    ScaledLinear,
    /// `alphas_cumprod` as a squared cosine. Nichol & Dhariwal 2021, Eq. (17).
    SquaredcosCapV2,
}

/// The level at which a multistep run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalSigmas {
    /// No noise.
    Zero,
    /// The level of timestep 0.
    SigmaMin,
}

/// A variant of a method. In a config, a method that does not know another's takes its own default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SolverType {
    /// DPM-Solver: the first difference as if it were constant. The default; DEIS has only its `logrho`.
    #[serde(alias = "logrho")]
    Midpoint,
    /// DPM-Solver: the first difference as part of a polynomial.
    Heun,
    /// UniPC: `B(h) = h`.
    Bh1,
    /// UniPC: `B(h) = e^h − 1`. Its default.
    Bh2,
}

impl SolverType {
    /// The name callers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Midpoint => "midpoint",
            Self::Heun => "heun",
            Self::Bh1 => "bh1",
            Self::Bh2 => "bh2",
        }
    }
}

impl FinalSigmas {
    /// The name callers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::SigmaMin => "sigma_min",
        }
    }
}

impl Default for SchedulerConfig {
    fn default() -> Self {
        Self {
            num_train_timesteps: 1000,
            beta_start: 1e-4,
            beta_end: 0.02,
            beta_schedule: BetaSchedule::Linear,
            trained_betas: None,
            prediction_type: PredictionType::Epsilon,
            steps_offset: 0,
            rescale_betas_zero_snr: false,
            set_alpha_to_one: true,
            final_sigmas_type: FinalSigmas::Zero,
            lower_order_final: true,
            euler_at_final: false,
            solver_type: SolverType::Midpoint,
            lambda_min_clipped: None,
            thresholding: false,
            dynamic_thresholding_ratio: 0.995,
            sample_max_value: 1.0,
            flow_shift: 1.0,
        }
    }
}

/// Fields that are read.
const READ: &[&str] = &[
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "steps_offset",
    "rescale_betas_zero_snr",
    "set_alpha_to_one",
    "final_sigmas_type",
    "lower_order_final",
    "euler_at_final",
    "solver_type",
    "lambda_min_clipped",
    "thresholding",
    "dynamic_thresholding_ratio",
    "sample_max_value",
    "flow_shift",
    "shift",
];

/// Fields that choose a solver, a spacing or a detail of another solver: the caller's options do that here.
const CHOSEN_BY_OPTIONS: &[&str] = &[
    "timestep_spacing",
    "use_karras_sigmas",
    "solver_order",
    "skip_prk_steps",
    "predict_x0",
    "disable_corrector",
    "solver_p",
    "interpolation_type",
    "clip_sample_range",
    "time_shift_type",
    "base_shift",
    "max_shift",
    "base_image_seq_len",
    "max_image_seq_len",
    "original_inference_steps",
    "timestep_scaling",
    "use_flow_sigmas",
];

/// Fields that must hold what changes nothing.
const ONLY: &[(&str, &[&str])] = &[
    ("clip_sample", &["false"]),
    ("use_exponential_sigmas", &["false"]),
    ("use_beta_sigmas", &["false"]),
    ("use_lu_lambdas", &["false"]),
    ("invert_sigmas", &["false"]),
    ("shift_terminal", &["null"]),
    ("stochastic_sampling", &["false"]),
    ("use_dynamic_shifting", &["false"]),
    ("algorithm_type", &["\"dpmsolver++\"", "\"deis\""]),
    (
        "variance_type",
        &["null", "\"fixed_small\"", "\"fixed_small_log\"", "\"fixed_large\"", "\"fixed_large_log\""],
    ),
    ("timestep_type", &["\"discrete\""]),
    ("sigma_min", &["null"]),
    ("sigma_max", &["null"]),
];

/// The largest shift of flow matching; published models have 1 to 17.
const MAX_FLOW_SHIFT: f64 = 1000.0;

/// Of [`Thresholding::ratio`](super::Thresholding::ratio).
pub(super) const DYNAMIC_THRESHOLDING_RATIO: RangeInclusive<f64> = 0.0..=1.0;
/// Of [`Thresholding::sample_max_value`](super::Thresholding::sample_max_value).
pub(super) const SAMPLE_MAX_VALUE: RangeInclusive<f64> = 1.0..=1000.0;

/// The longest table of betas.
const MAX_TRAIN_TIMESTEPS: usize = 100_000;

impl SchedulerConfig {
    /// Reads diffusers' scheduler_config.json.
    ///
    /// Errors: [`Error::UnsupportedConfig`] and [`Error::InvalidConfig`] of component `scheduler`.
    pub fn from_json(json: &Value) -> Result<Self> {
        let Value::Object(fields) = json else {
            return invalid("must be an object".to_owned());
        };
        let mut read = serde_json::Map::new();
        for (field, value) in fields {
            let accepted = ONLY.iter().find(|(name, _)| name == field).map(|(_, accepted)| *accepted);
            if let Some(accepted) = accepted {
                if !accepted.contains(&value.to_string().as_str()) {
                    return unsupported(field, value.to_string(), accepted.join(", "));
                }
            } else if READ.contains(&field.as_str()) {
                // Python writes None for what takes its default, and the text -inf for no limit.
                let unlimited = matches!(value.as_str(), Some("-inf" | "-Infinity"));
                if !(value.is_null() || field == "lambda_min_clipped" && unlimited) {
                    read.insert(field.clone(), value.clone());
                }
            } else if !field.starts_with('_') && !CHOSEN_BY_OPTIONS.contains(&field.as_str()) {
                return unsupported(field, value.to_string(), "no such field".to_owned());
            }
        }
        // The schedulers of flow matching do not write a prediction type: they have no other.
        let class = fields.get("_class_name").and_then(Value::as_str).unwrap_or_default();
        let flow = "flow_prediction";
        if class.starts_with("FlowMatch") {
            read.entry("prediction_type").or_insert(flow.into());
        }
        check_names(&read)?;
        let is_flow = read.get("prediction_type").is_some_and(|name| name == flow);
        if !is_flow && fields.get("use_flow_sigmas").is_some_and(|value| value == true) {
            return unsupported("use_flow_sigmas", "true".to_owned(), format!("prediction_type {flow}"));
        }
        let config: Self = serde_json::from_value(Value::Object(read)).map_err(|error| {
            Error::InvalidConfig { component: "scheduler".to_owned(), message: error.to_string() }
        })?;
        config.check()?;
        Ok(config)
    }

    /// Whether the schedule suits a network whose samples are pixels, or else latents.
    ///
    /// Errors: [`Error::UnsupportedConfig`] if latents are to be kept to the range of pixels.
    pub fn check_samples(&self, are_pixels: bool) -> Result<()> {
        match self.thresholding && !are_pixels {
            true => unsupported(
                "thresholding",
                "true".to_owned(),
                "false (this network works on latents, which have no range)".to_owned(),
            ),
            false => Ok(()),
        }
    }

    fn check(&self) -> Result<()> {
        let count = self.num_train_timesteps;
        if !(2..=MAX_TRAIN_TIMESTEPS).contains(&count) {
            return invalid(format!("num_train_timesteps must be 2 to {MAX_TRAIN_TIMESTEPS}, not {count}"));
        }
        let beta = |beta: &f64| *beta > 0.0 && *beta < 1.0;
        match &self.trained_betas {
            Some(betas) if betas.len() != count || !betas.iter().all(beta) => {
                invalid(format!("trained_betas must hold {count} values between 0 and 1"))
            }
            None if !beta(&self.beta_start) || !beta(&self.beta_end) || self.beta_start > self.beta_end => {
                let (start, end) = (self.beta_start, self.beta_end);
                invalid(format!("beta_start {start} and beta_end {end} must rise between 0 and 1"))
            }
            _ if !(self.flow_shift > 0.0 && self.flow_shift <= MAX_FLOW_SHIFT) => {
                invalid(format!("flow_shift must be within 0 to {MAX_FLOW_SHIFT}, not {}", self.flow_shift))
            }
            _ if !DYNAMIC_THRESHOLDING_RATIO.contains(&self.dynamic_thresholding_ratio) => {
                let ratio = self.dynamic_thresholding_ratio;
                invalid(format!("dynamic_thresholding_ratio must be within 0 to 1, not {ratio}"))
            }
            _ if !SAMPLE_MAX_VALUE.contains(&self.sample_max_value) => {
                let (most, value) = (SAMPLE_MAX_VALUE.end(), self.sample_max_value);
                invalid(format!("sample_max_value must be within 1 to {most}, not {value}"))
            }
            _ if self.steps_offset >= count => {
                invalid(format!("steps_offset must be below {count}, not {}", self.steps_offset))
            }
            _ => Ok(()),
        }
    }
}

/// Names of a choice that diffusers has and this crate lacks are unsupported, not malformed.
fn check_names(fields: &serde_json::Map<String, Value>) -> Result<()> {
    const CHOICES: &[(&str, &[&str])] = &[
        ("beta_schedule", &["linear", "scaled_linear", "squaredcos_cap_v2"]),
        ("prediction_type", &["epsilon", "v_prediction", "sample", "flow_prediction"]),
        ("final_sigmas_type", &["zero", "sigma_min"]),
        ("solver_type", &["midpoint", "heun", "logrho", "bh1", "bh2"]),
    ];
    for (field, accepted) in CHOICES {
        if let Some(value) = fields.get(*field)
            && !value.as_str().is_some_and(|name| accepted.contains(&name))
        {
            return unsupported(field, value.to_string(), accepted.join(", "));
        }
    }
    Ok(())
}

fn unsupported<T>(field: &str, value: String, accepted: String) -> Result<T> {
    let component = "scheduler".to_owned();
    Err(Error::UnsupportedConfig { component, field: field.to_owned(), value, accepted })
}

fn invalid<T>(message: String) -> Result<T> {
    Err(Error::InvalidConfig { component: "scheduler".to_owned(), message })
}
