//! Classifier-free guidance (Ho & Salimans 2022, Eq. (6), in the form of Imagen and diffusers), where it is used
//! (Kynkäänniemi et al. 2024, <https://arxiv.org/abs/2404.07724>, Eq. (5)) and how bright it may make a picture (Lin
//! et al. 2023, <https://arxiv.org/abs/2305.08891>, Eqs. (15) and (16)).

use super::NoiseLevel;

/// `model_output = cond · output given the prompt + uncond · output given the negative prompt`, with
/// `cond = guidance_scale` and `uncond = 1 − guidance_scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guidance {
    pub cond: f64,
    /// `None`: one evaluation a step is enough.
    pub uncond: Option<f64>,
    /// How far the deviation of the guided output is moved to that of the output given the prompt, `0..=1`.
    pub rescale: f64,
    /// The `sigma / alpha` at which guidance is used: above the first, up to the second.
    pub interval: [f64; 2],
}

impl Guidance {
    /// At all levels.
    pub const EVERYWHERE: [f64; 2] = [0.0, f64::INFINITY];

    /// A scale of at most 1 does not guide: the output given the prompt is taken as it is, as diffusers does.
    pub fn new(guidance_scale: f64, rescale: f64, interval: [f64; 2]) -> Self {
        let guides = guidance_scale > 1.0;
        Self {
            cond: if guides { guidance_scale } else { 1.0 },
            uncond: guides.then_some(1.0 - guidance_scale),
            rescale,
            interval,
        }
    }

    /// What holds at a level: this, or no guidance.
    pub fn at(self, level: NoiseLevel) -> Self {
        let sigma = level.sigma_over_alpha();
        let [above, up_to] = self.interval;
        if sigma > above && sigma <= up_to { self } else { Self::new(1.0, 0.0, self.interval) }
    }
}
