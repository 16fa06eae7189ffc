//! Classifier-free guidance (Ho & Salimans 2022, Eq. (6), in the form of Imagen and diffusers).

/// `model_output = cond · output given the prompt + uncond · output given the negative prompt`, with
/// `cond = guidance_scale` and `uncond = 1 − guidance_scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guidance {
    pub cond: f64,
    /// `None`: one evaluation a step is enough.
    pub uncond: Option<f64>,
}

impl Guidance {
    /// A scale of at most 1 does not guide: the output given the prompt is taken as it is, as diffusers does.
    pub fn new(guidance_scale: f64) -> Self {
        if guidance_scale > 1.0 {
            Self { cond: guidance_scale, uncond: Some(1.0 - guidance_scale) }
        } else {
            Self { cond: 1.0, uncond: None }
        }
    }
}
