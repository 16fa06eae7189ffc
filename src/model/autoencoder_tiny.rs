//! AutoencoderTiny: convolutions and ReLU only, small and quick. O. Boer Bohan, TAESD (madebyollin/taesd).
//!
//! Layers are numbered through, activations and upsampling included, as in an `nn.Sequential`:
//!
//! ```text
//! encode: (sample + 1) / 2                                [B, H, W, in] in [0, 1]
//!         level 0: conv, blocks                           [B, H, W, C0]
//!         level n: conv of stride 2 without bias, blocks  [B, H/2^n, W/2^n, Cn]
//!         conv                                            [B, h, w, latent]
//! decode: 3 tanh(latents / 3)                             [B, h, w, latent]
//!         conv, act                                       [B, h, w, C0]
//!         level n: blocks, upsample, conv without bias    [B, 2^(n+1)·h, …, Cn]
//!         last level: blocks, conv                        [B, H, W, out] in [0, 1]
//!         2 · sample − 1                                  in [-1, 1]
//! block:  relu(x + conv(act(conv(act(conv(x))))))
//! ```

use serde_json::Value as Json;

use super::autoencoder::LatentScale;
use super::fields::{ACTIVATIONS, Fields, WIDTHS};
use super::layers::Convolution;
use crate::error::{Error, Result};
use crate::graph::{Activation, GraphBuilder, Value};

/// An AutoencoderTiny as its `config.json` describes it. Levels of the encoder go from the highest resolution down,
/// those of the decoder from the lowest up; each half has one width, because its blocks do not change it.
#[derive(Debug, Clone, PartialEq)]
pub struct AutoencoderTinyConfig {
    pub in_channels: usize,
    pub out_channels: usize,
    /// Width of the encoder.
    pub encoder_channels: usize,
    /// Width of the decoder.
    pub decoder_channels: usize,
    pub act_fn: Activation,
    pub latent_channels: usize,
    pub num_encoder_blocks: Vec<usize>,
    pub num_decoder_blocks: Vec<usize>,
    pub(super) latent_scale: LatentScale,
}

impl AutoencoderTinyConfig {
    /// Reads diffusers' JSON. Errors: [`Error::UnsupportedConfig`] names the first field that this version does
    /// not do.
    pub fn from_json(config: &Json) -> Result<Self> {
        let mut fields = Fields::new("vae", config, &["AutoencoderTiny"])?;
        let f = &mut fields;
        let num_encoder_blocks = f.sizes("num_encoder_blocks", &[1, 3, 3, 3], 0..=32)?;
        let num_decoder_blocks = f.sizes("num_decoder_blocks", &[3, 3, 3, 1], 0..=32)?;
        let config = Self {
            in_channels: f.size("in_channels", 3, WIDTHS)?,
            out_channels: f.size("out_channels", 3, WIDTHS)?,
            act_fn: f.choice("act_fn", Activation::Relu, ACTIVATIONS)?,
            latent_channels: f.size("latent_channels", 4, WIDTHS)?,
            encoder_channels: one_width(f, "encoder_block_out_channels", num_encoder_blocks.len())?,
            decoder_channels: one_width(f, "decoder_block_out_channels", num_decoder_blocks.len())?,
            num_encoder_blocks,
            num_decoder_blocks,
            latent_scale: LatentScale::from_fields(f, 1.0)?,
        };
        f.require("upsample_fn", &[Json::from("nearest")])?;
        f.require("upsampling_scaling_factor", &[Json::from(2)])?;
        // `block_out_channels` repeats the decoder's; latent_magnitude and latent_shift serve storage as 8 bits.
        f.ignore(&["block_out_channels", "force_upcast", "latent_magnitude", "latent_shift"]);
        fields.finish()?;
        if config.num_encoder_blocks.len() != config.num_decoder_blocks.len() {
            return Err(Error::InvalidConfig {
                component: "vae".to_owned(),
                message: "num_encoder_blocks and num_decoder_blocks must have as many levels".to_owned(),
            });
        }
        Ok(config)
    }
}

/// diffusers takes a list with an entry for each level, but its blocks go wrong unless all are equal.
fn one_width(fields: &mut Fields, field: &str, levels: usize) -> Result<usize> {
    let widths = fields.sizes(field, &vec![64; levels], WIDTHS)?;
    match widths.len() == levels && widths.iter().all(|width| *width == widths[0]) {
        true => Ok(widths[0]),
        false => {
            Err(fields.unsupported(field, &Json::from(widths), &format!("a list of {levels} equal numbers")))
        }
    }
}

/// `sample [B, H, W, in_channels]` in `[-1, 1]` to unscaled latents `[B, h, w, latent_channels]`.
pub(super) fn encode(
    graph: &mut GraphBuilder,
    config: &AutoencoderTinyConfig,
    sample: Value,
) -> Result<Value> {
    let channels = config.encoder_channels;
    let mut layers = Layers { path: "encoder.layers", next: 0 };
    let mut x = graph.affine(sample, 0.5, 0.5);
    for (level, &blocks) in config.num_encoder_blocks.iter().enumerate() {
        x = match level {
            0 => graph.conv_layer(&layers.path(), x, channels)?,
            _ => {
                let convolution = Convolution { kernel: 3, stride: 2, padding: [1; 4], bias: false };
                graph.convolution_layer(&layers.path(), x, channels, &convolution)?
            }
        };
        for _ in 0..blocks {
            x = block(graph, &layers.path(), x, config.act_fn)?;
        }
    }
    graph.conv_layer(&layers.path(), x, config.latent_channels)
}

/// Unscaled `latents [B, h, w, latent_channels]` to `[B, H, W, out_channels]`.
pub(super) fn decode(
    graph: &mut GraphBuilder,
    config: &AutoencoderTinyConfig,
    latents: Value,
) -> Result<Value> {
    let channels = config.decoder_channels;
    let mut layers = Layers { path: "decoder.layers", next: 0 };
    let third = graph.affine(latents, 1.0 / 3.0, 0.0);
    let bounded = graph.activation(third, Activation::Tanh);
    let bounded = graph.affine(bounded, 3.0, 0.0);
    let x = graph.conv_layer(&layers.path(), bounded, channels)?;
    layers.skip();
    let mut x = graph.activation(x, config.act_fn);
    let last = config.num_decoder_blocks.len() - 1;
    for (level, &blocks) in config.num_decoder_blocks.iter().enumerate() {
        for _ in 0..blocks {
            x = block(graph, &layers.path(), x, config.act_fn)?;
        }
        if level < last {
            layers.skip();
            let [height, width] = graph.size(x);
            x = graph.upsample(x, 2 * height, 2 * width)?;
            let convolution = Convolution { bias: false, ..Convolution::same(3) };
            x = graph.convolution_layer(&layers.path(), x, channels, &convolution)?;
        }
    }
    let x = graph.conv_layer(&layers.path(), x, config.out_channels)?;
    Ok(graph.affine(x, 2.0, -1.0))
}

/// AutoencoderTinyBlock: `[B, H, W, C]` to the same. The last activation is ReLU whatever `act_fn` is.
fn block(graph: &mut GraphBuilder, path: &str, x: Value, activation: Activation) -> Result<Value> {
    let channels = graph.channels(x);
    let mut h = graph.conv_layer(&format!("{path}.conv.0"), x, channels)?;
    h = graph.activation(h, activation);
    h = graph.conv_layer(&format!("{path}.conv.2"), h, channels)?;
    h = graph.activation(h, activation);
    h = graph.conv_layer(&format!("{path}.conv.4"), h, channels)?;
    let sum = graph.add(h, x)?;
    Ok(graph.activation(sum, Activation::Relu))
}

/// Counts the layers of an `nn.Sequential`.
struct Layers {
    path: &'static str,
    next: usize,
}

impl Layers {
    /// The path of the next layer.
    fn path(&mut self) -> String {
        self.next += 1;
        format!("{}.{}", self.path, self.next - 1)
    }

    /// Passes over a layer without parameters.
    fn skip(&mut self) {
        self.next += 1;
    }
}
