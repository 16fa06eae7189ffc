//! AutoencoderKL: the autoencoder of Stable Diffusion. Rombach et al. 2022, section 3.1; Kingma & Welling 2014.
//!
//! ```text
//! encode: sample [B, H, W, in] -> conv_in -> down_blocks, halving between levels -> mid_block
//!         -> conv_norm_out, SiLU, conv_out [B, h, w, 2·latent] -> quant_conv -> mean, logvar [B, h, w, latent]
//! decode: latents [B, h, w, latent] -> post_quant_conv -> conv_in -> mid_block
//!         -> up_blocks, doubling between levels -> conv_norm_out, SiLU, conv_out [B, H, W, out]
//! ```

use serde_json::Value as Json;

use super::attention::pixel_attention;
use super::autoencoder::LatentScale;
use super::fields::{ACTIVATIONS, Fields, LAYERS, WIDTHS};
use super::resample::{DownsamplePadding, downsample, upsample};
use super::resnet::{ResnetOptions, resnet_block};
use crate::error::{Error, Result};
use crate::graph::{Activation, GraphBuilder, Value};

/// Both halves fix the eps of all their norms.
const EPS: f64 = 1e-6;

/// An AutoencoderKL as its `config.json` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoencoderKlConfig {
    pub in_channels: usize,
    pub out_channels: usize,
    /// From the highest resolution down.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks of a level in the encoder; the decoder has one more.
    pub layers_per_block: usize,
    pub act_fn: Activation,
    pub latent_channels: usize,
    pub norm_num_groups: usize,
    pub use_quant_conv: bool,
    pub use_post_quant_conv: bool,
    pub mid_block_add_attention: bool,
    pub(super) latent_scale: LatentScale,
}

impl AutoencoderKlConfig {
    /// Reads diffusers' JSON. Errors: [`Error::UnsupportedConfig`] names the first field that this version does
    /// not do.
    pub fn from_json(config: &Json) -> Result<Self> {
        let mut fields = Fields::new("vae", config, &["AutoencoderKL"])?;
        let f = &mut fields;
        let block_out_channels = f.sizes("block_out_channels", &[64], WIDTHS)?;
        let levels = block_out_channels.len();
        f.choice_per_block("down_block_types", &[()], levels, &[("DownEncoderBlock2D", ())])?;
        f.choice_per_block("up_block_types", &[()], levels, &[("UpDecoderBlock2D", ())])?;
        let config = Self {
            in_channels: f.size("in_channels", 3, WIDTHS)?,
            out_channels: f.size("out_channels", 3, WIDTHS)?,
            block_out_channels,
            layers_per_block: f.size("layers_per_block", 1, LAYERS)?,
            act_fn: f.choice("act_fn", Activation::Silu, ACTIVATIONS)?,
            latent_channels: f.size("latent_channels", 4, WIDTHS)?,
            norm_num_groups: f.size("norm_num_groups", 32, WIDTHS)?,
            use_quant_conv: f.flag("use_quant_conv", true)?,
            use_post_quant_conv: f.flag("use_post_quant_conv", true)?,
            mid_block_add_attention: f.flag("mid_block_add_attention", true)?,
            latent_scale: LatentScale::from_fields(f, 0.18215)?,
        };
        f.require("latents_mean", &[Json::Null])?;
        f.require("latents_std", &[Json::Null])?;
        // Arithmetic is f32 in any case, and any size is legal.
        f.ignore(&["force_upcast", "sample_size"]);
        fields.finish()?;
        let groups = config.norm_num_groups;
        match config.block_out_channels.iter().find(|&channels| channels % groups != 0) {
            None => Ok(config),
            Some(channels) => Err(Error::InvalidConfig {
                component: "vae".to_owned(),
                message: format!("{channels} channels do not divide into {groups} groups"),
            }),
        }
    }

    fn resnet_options(&self) -> ResnetOptions {
        ResnetOptions {
            groups: self.norm_num_groups,
            eps: EPS,
            activation: self.act_fn,
            scale_shift: false,
            output_scale_factor: 1.0,
        }
    }
}

impl LatentScale {
    /// A missing `shift_factor` is 0.
    pub(super) fn from_fields(fields: &mut Fields, default: f64) -> Result<Self> {
        let scaling_factor = fields.positive("scaling_factor", default)?;
        let shift_factor = match fields.is_null("shift_factor") {
            true => 0.0,
            false => fields.number("shift_factor", 0.0)?,
        };
        Ok(Self { scaling_factor, shift_factor })
    }
}

/// `sample [B, H, W, in_channels]` to `[mean, logvar]`, each `[B, h, w, latent_channels]`, unscaled.
pub(super) fn encode(
    graph: &mut GraphBuilder,
    config: &AutoencoderKlConfig,
    sample: Value,
) -> Result<[Value; 2]> {
    let options = config.resnet_options();
    let last = config.block_out_channels.len() - 1;
    let mut x = graph.conv_layer("encoder.conv_in", sample, config.block_out_channels[0])?;
    for (level, &channels) in config.block_out_channels.iter().enumerate() {
        let path = format!("encoder.down_blocks.{level}");
        for layer in 0..config.layers_per_block {
            x = resnet_block(graph, &format!("{path}.resnets.{layer}"), x, channels, None, &options)?;
        }
        if level < last {
            x = downsample(graph, &format!("{path}.downsamplers.0"), x, DownsamplePadding::BelowRight)?;
        }
    }
    x = mid_block(graph, config, "encoder.mid_block", x)?;
    let latent = config.latent_channels;
    let mut moments = ending(graph, config, "encoder", x, 2 * latent)?;
    if config.use_quant_conv {
        moments = graph.pointwise_layer("quant_conv", moments, 2 * latent)?;
    }
    Ok([graph.slice(moments, 0, latent)?, graph.slice(moments, latent, latent)?])
}

/// Unscaled `latents [B, h, w, latent_channels]` to `[B, H, W, out_channels]`.
pub(super) fn decode(
    graph: &mut GraphBuilder,
    config: &AutoencoderKlConfig,
    latents: Value,
) -> Result<Value> {
    let options = config.resnet_options();
    let last = config.block_out_channels.len() - 1;
    let mut x = latents;
    if config.use_post_quant_conv {
        x = graph.pointwise_layer("post_quant_conv", x, config.latent_channels)?;
    }
    x = graph.conv_layer("decoder.conv_in", x, config.block_out_channels[last])?;
    x = mid_block(graph, config, "decoder.mid_block", x)?;
    for (level, &channels) in config.block_out_channels.iter().rev().enumerate() {
        let path = format!("decoder.up_blocks.{level}");
        for layer in 0..=config.layers_per_block {
            x = resnet_block(graph, &format!("{path}.resnets.{layer}"), x, channels, None, &options)?;
        }
        if level < last {
            let size = graph.size(x).map(|extent| 2 * extent);
            x = upsample(graph, &format!("{path}.upsamplers.0"), x, size)?;
        }
    }
    ending(graph, config, "decoder", x, config.out_channels)
}

/// Two residual blocks, and attention with a single head between them: `[B, h, w, C]` to the same.
fn mid_block(graph: &mut GraphBuilder, config: &AutoencoderKlConfig, path: &str, x: Value) -> Result<Value> {
    let options = config.resnet_options();
    let channels = graph.channels(x);
    let mut x = resnet_block(graph, &format!("{path}.resnets.0"), x, channels, None, &options)?;
    if config.mid_block_add_attention {
        x = pixel_attention(graph, &format!("{path}.attentions.0"), x, 1, &options)?;
    }
    resnet_block(graph, &format!("{path}.resnets.1"), x, channels, None, &options)
}

/// `conv_norm_out`, SiLU (whatever `act_fn` is), `conv_out`.
fn ending(
    graph: &mut GraphBuilder,
    config: &AutoencoderKlConfig,
    path: &str,
    x: Value,
    outputs: usize,
) -> Result<Value> {
    let x = graph.group_norm_layer(&format!("{path}.conv_norm_out"), x, config.norm_num_groups, EPS)?;
    let x = graph.activation(x, Activation::Silu);
    graph.conv_layer(&format!("{path}.conv_out"), x, outputs)
}
