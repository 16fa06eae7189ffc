//! What a network predicts, and how the other quantities follow from it.
//!
//! From `x = alpha x_0 + sigma epsilon` and `v = alpha epsilon − sigma x_0` (Salimans & Ho 2022, appendix D)
//! each of `x_0`, `epsilon` and `v` is a linear map of `x` and any other.

use serde::{Deserialize, Serialize};

use super::{LinearMap, NoiseLevel};
use crate::error::{Error, Result};

/// The quantity that the network was trained to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PredictionType {
    /// The noise.
    Epsilon,
    /// `alpha · epsilon − sigma · x_0`.
    VPrediction,
    /// The clean sample.
    Sample,
    /// `epsilon − x_0`, the velocity of flow matching (Lipman et al. 2022, Liu et al. 2022). The network sees
    /// `(1 − s) x_0 + s epsilon`; see [`NoiseLevel`].
    #[serde(rename = "flow_prediction")]
    Flow,
}

impl PredictionType {
    /// The estimate of the clean sample `x_0`.
    pub fn denoised(self, level: NoiseLevel) -> Result<LinearMap> {
        let NoiseLevel { alpha, sigma } = level;
        match self {
            Self::Epsilon if alpha == 0.0 => Err(Error::UnsupportedConfig {
                component: "scheduler".to_owned(),
                field: "prediction_type".to_owned(),
                value: "epsilon with rescale_betas_zero_snr (it says nothing about pure noise)".to_owned(),
                accepted: "v_prediction, sample".to_owned(),
            }),
            Self::Epsilon => Ok(LinearMap { sample: 1.0 / alpha, model_output: -sigma / alpha }),
            Self::VPrediction => Ok(LinearMap { sample: alpha, model_output: -sigma }),
            Self::Sample => Ok(LinearMap { sample: 0.0, model_output: 1.0 }),
            Self::Flow => {
                Ok(LinearMap { sample: self.model_input_scale(level), model_output: -level.flow() })
            }
        }
    }

    /// The estimate of the noise. `level` has some.
    pub fn epsilon(self, level: NoiseLevel) -> LinearMap {
        let NoiseLevel { alpha, sigma } = level;
        match self {
            Self::Epsilon => LinearMap { sample: 0.0, model_output: 1.0 },
            Self::VPrediction => LinearMap { sample: sigma, model_output: alpha },
            Self::Sample => LinearMap { sample: 1.0 / sigma, model_output: -alpha / sigma },
            Self::Flow => {
                LinearMap { sample: self.model_input_scale(level), model_output: 1.0 - level.flow() }
            }
        }
    }

    /// Factor of the sample on its way into the network.
    pub fn model_input_scale(self, level: NoiseLevel) -> f64 {
        if self == Self::Flow { 1.0 / (level.alpha + level.sigma) } else { 1.0 }
    }

    /// What a network gives whose estimates are `denoised` and `epsilon`.
    pub fn model_output(self, level: NoiseLevel, denoised: f64, epsilon: f64) -> f64 {
        match self {
            Self::Epsilon => epsilon,
            Self::VPrediction => level.alpha * epsilon - level.sigma * denoised,
            Self::Sample => denoised,
            Self::Flow => epsilon - denoised,
        }
    }
}
