//! The autoencoder of a checkpoint, whichever kind it is: pictures to latents and back.
//!
//! Latents here are always those of the diffusion model, near mean 0 and deviation 1: the encoder's graph ends
//! with `latents = (mean − shift_factor) · scaling_factor`, the decoder's begins with the inverse. So no caller
//! touches either factor. Rombach et al. 2022, appendix G.
//!
//! A model of pixels has none: its latents are the picture.

use serde_json::{Value as Json, json};

use super::fields::{Fields, WIDTHS, require_size};
use super::{AutoencoderKlConfig, AutoencoderTinyConfig, MAX_LATENT_SIDE, autoencoder_kl, autoencoder_tiny};
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphBuilder, Value};

/// An autoencoder as its `config.json` describes it.
#[derive(Debug, Clone, PartialEq)]
pub enum AutoencoderConfig {
    Kl(AutoencoderKlConfig),
    Tiny(AutoencoderTinyConfig),
    /// None: the network works on pixels, of so many channels.
    Identity {
        latent_channels: usize,
    },
}

/// The class of [`AutoencoderConfig::Identity`], which diffusers has no need to name.
const IDENTITY: &str = "Identity";

/// The shapes of one encoder or decoder graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoencoderRequest {
    /// Pictures in one evaluation, 1 to 64.
    pub batch: usize,
    /// Latent height, 1 to [`MAX_LATENT_SIDE`]; a picture is [`AutoencoderConfig::vae_scale_factor`] times as high.
    pub height: usize,
    /// Latent width, the same.
    pub width: usize,
}

/// The factors between a decoder's own latents and the diffusion model's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LatentScale {
    pub(super) scaling_factor: f64,
    pub(super) shift_factor: f64,
}

impl AutoencoderConfig {
    /// Reads diffusers' JSON; `_class_name` says which kind it is, and a config without one is an AutoencoderKL,
    /// the kind that is older than that field.
    pub fn from_json(config: &Json) -> Result<Self> {
        match config.get("_class_name").and_then(Json::as_str) {
            Some("AutoencoderTiny") => AutoencoderTinyConfig::from_json(config).map(Self::Tiny),
            Some(IDENTITY) => {
                let mut fields = Fields::new("vae", config, &[IDENTITY])?;
                let latent_channels = fields.size("latent_channels", 3, WIDTHS)?;
                fields.finish()?;
                Ok(Self::Identity { latent_channels })
            }
            None | Some("AutoencoderKL") => AutoencoderKlConfig::from_json(config).map(Self::Kl),
            Some(other) => Err(Error::UnsupportedConfig {
                component: "vae".to_owned(),
                field: "_class_name".to_owned(),
                value: other.chars().take(80).collect(),
                accepted: format!("AutoencoderKL, AutoencoderTiny, {IDENTITY}"),
            }),
        }
    }

    /// The config of a model of pixels.
    pub fn identity(channels: usize) -> Json {
        json!({ "_class_name": IDENTITY, "latent_channels": channels })
    }

    /// Whether latents are pixels, with the range of pixels.
    pub fn is_identity(&self) -> bool {
        matches!(self, Self::Identity { .. })
    }

    /// Pixels along a side for one latent: 8 in Stable Diffusion.
    pub fn vae_scale_factor(&self) -> usize {
        match self {
            Self::Kl(config) => 1 << (config.block_out_channels.len() - 1),
            Self::Tiny(config) => 1 << (config.num_encoder_blocks.len() - 1),
            Self::Identity { .. } => 1,
        }
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.latent_channels,
            Self::Tiny(config) => config.latent_channels,
            Self::Identity { latent_channels } => *latent_channels,
        }
    }

    /// Channels of a decoded picture: 3 for RGB, 4 for RGBA.
    pub fn out_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.out_channels,
            Self::Tiny(config) => config.out_channels,
            Self::Identity { latent_channels } => *latent_channels,
        }
    }

    /// Channels of a picture to encode.
    pub fn in_channels(&self) -> usize {
        match self {
            Self::Kl(config) => config.in_channels,
            Self::Tiny(config) => config.in_channels,
            Self::Identity { latent_channels } => *latent_channels,
        }
    }

    fn latent_scale(&self) -> LatentScale {
        match self {
            Self::Kl(config) => config.latent_scale,
            Self::Tiny(config) => config.latent_scale,
            Self::Identity { .. } => LatentScale { scaling_factor: 1.0, shift_factor: 0.0 },
        }
    }
}

/// Builds the decoder's graph. Input: `latents [B, h, w, latent_channels]` of the diffusion model. Output: `sample
/// [B, H, W, out_channels]`, meant to lie in `[-1, 1]` (not clamped).
///
/// Errors: [`Error::InvalidOption`] for a request out of range.
pub fn decoder(config: &AutoencoderConfig, request: &AutoencoderRequest) -> Result<Graph> {
    let AutoencoderRequest { batch, height, width } = *request;
    check(request)?;
    let mut graph = GraphBuilder::new();
    let latents = graph.input("latents", &[batch, height, width, config.latent_channels()])?;
    let LatentScale { scaling_factor, shift_factor } = config.latent_scale();
    let latents = affine(&mut graph, latents, 1.0 / scaling_factor, shift_factor);
    let sample = match config {
        AutoencoderConfig::Kl(config) => autoencoder_kl::decode(&mut graph, config, latents)?,
        AutoencoderConfig::Tiny(config) => autoencoder_tiny::decode(&mut graph, config, latents)?,
        // An output is a tensor of its own.
        AutoencoderConfig::Identity { .. } => graph.affine(latents, 1.0, 0.0),
    };
    graph.output("sample", sample)?;
    graph.finish()
}

/// Builds the encoder's graph. Input: `sample [B, H, W, in_channels]` in `[-1, 1]`. Outputs: `latents [B, h, w,
/// latent_channels]` of the diffusion model, the mean of the posterior; for AutoencoderKL also `logvar`, of the
/// same shape: the logarithm of the posterior's variance before scaling, so that a draw from the posterior is
/// `latents + scaling_factor · exp(logvar / 2) · noise`, `logvar` clamped to `[-30, 20]`.
///
/// Errors: [`Error::InvalidOption`] for a request out of range.
pub fn encoder(config: &AutoencoderConfig, request: &AutoencoderRequest) -> Result<Graph> {
    let AutoencoderRequest { batch, height, width } = *request;
    check(request)?;
    let factor = config.vae_scale_factor();
    let mut graph = GraphBuilder::new();
    let sample = graph.input("sample", &[batch, height * factor, width * factor, config.in_channels()])?;
    let mean = match config {
        AutoencoderConfig::Tiny(config) => autoencoder_tiny::encode(&mut graph, config, sample)?,
        AutoencoderConfig::Identity { .. } => graph.affine(sample, 1.0, 0.0),
        AutoencoderConfig::Kl(config) => {
            let [mean, logvar] = autoencoder_kl::encode(&mut graph, config, sample)?;
            graph.output("logvar", logvar)?;
            mean
        }
    };
    let LatentScale { scaling_factor, shift_factor } = config.latent_scale();
    let latents = affine(&mut graph, mean, scaling_factor, -scaling_factor * shift_factor);
    graph.output("latents", latents)?;
    graph.finish()
}

fn check(request: &AutoencoderRequest) -> Result<()> {
    require_size("batch", request.batch, 1..=64)?;
    require_size("height", request.height, 1..=MAX_LATENT_SIDE)?;
    require_size("width", request.width, 1..=MAX_LATENT_SIDE)
}

/// `scale · x + shift`, or `x` where that is the same.
fn affine(graph: &mut GraphBuilder, x: Value, scale: f64, shift: f64) -> Value {
    match scale == 1.0 && shift == 0.0 {
        true => x,
        false => graph.affine(x, scale, shift),
    }
}
