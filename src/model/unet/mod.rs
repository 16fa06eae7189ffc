//! UNet2DConditionModel: the network that is evaluated at every step. Ronneberger et al. 2015; Ho et al. 2020;
//! Rombach et al. 2022.
//!
//! Shapes, for the levels `C0, C1, …` of `block_out_channels` and two layers a block:
//!
//! ```text
//! sample [B, h, w, Cin] -> conv_in                       [B, h, w, C0]          skip 0
//! down_blocks.0   resnets.0, .1                          [B, h, w, C0]          skips 1, 2
//!                 downsamplers.0                         [B, h/2, w/2, C0]      skip 3
//! down_blocks.1   resnets.0, .1                          [B, h/2, w/2, C1]      skips 4, 5
//!                 …
//! mid_block                                              [B, h/2^n, w/2^n, Cn]
//! up_blocks.0     resnets.0, .1, .2, each with a skip    [B, h/2^n, w/2^n, Cn]
//!                 upsamplers.0                           [B, h/2^(n-1), …, Cn]
//!                 …
//! conv_norm_out, act, conv_out                           [B, h, w, Cout]        model_output
//! ```

mod config;
mod down;
mod embeddings;
mod mid;
mod up;

pub use config::{BlockType, ClassEmbedding, MidBlockType, UNetConfig};

use super::MAX_LATENT_SIDE;
use super::attention::{SecondBranch, pixel_attention};
use super::fields::{WIDTHS, require_size};
use super::layers::Convolution;
use super::resnet::{ResnetOptions, Time};
use super::transformer::{Text, TransformerOptions, transformer};
use crate::error::{Error, Result};
use crate::graph::{Graph, GraphBuilder, Shape, Value};

/// The shapes of one UNet graph, and which of its optional inputs and outputs it has.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UNetRequest {
    /// Samples in one evaluation: 2 for guidance (with and without the prompt), times pictures. 1 to 64.
    pub batch: usize,
    /// Latent height, 1 to [`MAX_LATENT_SIDE`]. Sizes that do not halve evenly are legal.
    pub height: usize,
    /// Latent width, the same.
    pub width: usize,
    /// Tokens of `encoder_hidden_states`, 1 to 65536. Unused by a network without cross-attention.
    pub text_length: usize,
    /// Whether `encoder_hidden_states` stays the same for many evaluations, so that keys and values of the text are made
    /// once: see [`Graph::lasting`].
    pub lasting_text: bool,
    /// Timesteps that are known beforehand: instead of `timestep` there are then an input `timesteps`, which stays the same for
    /// many evaluations, and `step`. 0 to 1000; 0 if they are not known.
    pub known_timesteps: usize,
    /// Whether there is an input `timestep_cond`, for a network distilled for guidance.
    pub timestep_cond: bool,
    /// Whether there are inputs `down_block_additional_residuals.N` and `mid_block_additional_residual`.
    pub additional_residuals: bool,
    /// Inputs `encoder_hidden_states_2` and `encoder_hidden_states_2_scale`.
    pub second_text_branch: Option<SecondTextBranch>,
    /// Blocks whose results are outputs under their own names: `mid_block`, `down_blocks.N`, `up_blocks.N`.
    pub features: Vec<String>,
}

/// A second source of keys and values for every cross-attention, with parameters of its own
/// (`….attn2.processor.to_k_ip.0.weight` and `to_v_ip`, as diffusers stores IP-Adapter).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondTextBranch {
    /// Tokens, 1 to 65536.
    pub length: usize,
    /// Width of a token, 1 to 65536.
    pub width: usize,
}

/// Builds the graph.
///
/// | input | shape | |
/// |---|---|---|
/// | `sample` | `[B, h, w, Cin]` | latents; concatenated channels (mask, masked image, low resolution) are the last of `Cin` |
/// | `timestep` | `[B]` | in `0 ..= num_train_timesteps`, fractions allowed, one for each sample |
/// | `timesteps` | `[known_timesteps]` | in place of `timestep`, if they are known; [lasting](Graph::lasting) |
/// | `step` | `[B]` | if they are known: which of `timesteps`, from 0, one for each sample |
/// | `encoder_hidden_states` | `[B, L, D]` | the text encoder's output, if any block has cross-attention |
/// | `timestep_cond` | `[B, time_cond_proj_dim]` | if requested |
/// | `class_labels` | `[B]` or `[B, width]` | if the network has classes |
/// | `down_block_additional_residuals.N` | as [`skip_shapes`] | if requested; added to skip connection `N` |
/// | `mid_block_additional_residual` | `[B, h/2^n, w/2^n, Cn]` | if requested; added to what `mid_block` gives |
/// | `encoder_hidden_states_2` | `[B, L2, D2]` | if requested |
/// | `encoder_hidden_states_2_scale` | `[B]` | if requested; 0 switches the branch off for a sample |
///
/// Outputs: `model_output [B, h, w, Cout]`, and the requested features.
///
/// Errors: [`Error::InvalidOption`] for a request out of range, [`Error::ShapeMismatch`] where a config's numbers
/// do not fit together.
pub fn unet(config: &UNetConfig, request: &UNetRequest) -> Result<Graph> {
    check(config, request)?;
    let mut graph = GraphBuilder::new();
    let sample =
        graph.input("sample", &[request.batch, request.height, request.width, config.in_channels])?;
    let time = embeddings::time_embedding(&mut graph, config, request)?;
    let text = text_inputs(&mut graph, config, request)?;
    let mut builder = UNetBuilder { graph, config, request, time, text, resnet: resnet_options(config) };

    let x = builder.conv_in(sample)?;
    let mut skips = vec![x];
    let x = builder.down(x, &mut skips)?;
    let x = builder.middle(x, &mut skips)?;
    let x = builder.up(x, skips)?;
    builder.conv_out(x)?;
    builder.graph.finish()
}

/// Shapes of the skip connections, in the order in which they are made: of `down_block_additional_residuals.N`.
pub fn skip_shapes(config: &UNetConfig, request: &UNetRequest) -> Result<Vec<Shape>> {
    let request = UNetRequest { additional_residuals: true, ..request.clone() };
    let graph = unet(config, &request)?;
    let residuals = graph.inputs().filter(|(name, _)| name.starts_with(DOWN_RESIDUAL));
    Ok(residuals.map(|(_, value)| graph.shape(value).to_vec()).collect())
}

const DOWN_RESIDUAL: &str = "down_block_additional_residuals";

/// A UNet in the making.
struct UNetBuilder<'a> {
    graph: GraphBuilder,
    config: &'a UNetConfig,
    request: &'a UNetRequest,
    time: Time,
    text: Option<Text>,
    resnet: ResnetOptions,
}

/// What the layers of one block share.
struct Level {
    block: BlockType,
    channels: usize,
    /// Heads of a transformer.
    heads: usize,
    /// Width of a head in attention between pixels.
    head_dim: usize,
    transformer_layers: usize,
    only_cross_attention: bool,
}

impl UNetBuilder<'_> {
    fn conv_in(&mut self, mut sample: Value) -> Result<Value> {
        if self.config.center_input_sample {
            sample = self.graph.affine(sample, 2.0, -1.0);
        }
        let convolution = Convolution::same(self.config.conv_in_kernel);
        self.graph.convolution_layer("conv_in", sample, self.config.block_out_channels[0], &convolution)
    }

    fn down(&mut self, mut x: Value, skips: &mut Vec<Value>) -> Result<Value> {
        for index in 0..self.config.down_block_types.len() {
            x = self.down_block(index, x, skips)?;
            self.feature(&format!("down_blocks.{index}"), x)?;
        }
        Ok(x)
    }

    fn middle(&mut self, mut x: Value, skips: &mut [Value]) -> Result<Value> {
        if let Some(block) = self.config.mid_block_type {
            x = self.mid_block(block, x)?;
        }
        self.feature("mid_block", x)?;
        if self.request.additional_residuals {
            for (index, skip) in skips.iter_mut().enumerate() {
                *skip = self.add_residual(&format!("{DOWN_RESIDUAL}.{index}"), *skip)?;
            }
            x = self.add_residual("mid_block_additional_residual", x)?;
        }
        Ok(x)
    }

    fn up(&mut self, mut x: Value, mut skips: Vec<Value>) -> Result<Value> {
        for index in 0..self.config.up_block_types.len() {
            x = self.up_block(index, x, &mut skips)?;
            self.feature(&format!("up_blocks.{index}"), x)?;
        }
        Ok(x)
    }

    fn conv_out(&mut self, x: Value) -> Result<()> {
        let config = self.config;
        let x = self.graph.group_norm_layer("conv_norm_out", x, config.norm_num_groups, config.norm_eps)?;
        let x = self.graph.activation(x, config.act_fn);
        let convolution = Convolution::same(config.conv_out_kernel);
        let x = self.graph.convolution_layer("conv_out", x, config.out_channels, &convolution)?;
        self.graph.output("model_output", x)
    }

    /// The attention that follows a residual block.
    fn attention_layer(&mut self, path: &str, x: Value, level: &Level) -> Result<Value> {
        if level.block == BlockType::Attention {
            if !level.channels.is_multiple_of(level.head_dim) {
                let message =
                    format!("{} channels do not divide into heads of {}", level.channels, level.head_dim);
                return Err(Error::InvalidConfig { component: "unet".to_owned(), message });
            }
            let heads = level.channels / level.head_dim;
            return pixel_attention(&mut self.graph, path, x, heads, &self.resnet);
        }
        let text = self.text.expect("a network with cross-attention has a text input");
        let options = TransformerOptions {
            layers: level.transformer_layers,
            heads: level.heads,
            groups: self.config.norm_num_groups,
            linear_projection: self.config.use_linear_projection,
            only_cross_attention: level.only_cross_attention,
        };
        transformer(&mut self.graph, path, x, text, &options)
    }

    fn add_residual(&mut self, name: &str, x: Value) -> Result<Value> {
        let shape = self.graph.shape(x).to_vec();
        let residual = self.graph.input(name, &shape)?;
        self.graph.add(x, residual)
    }

    fn feature(&mut self, name: &str, x: Value) -> Result<()> {
        match self.request.features.iter().any(|feature| feature == name) {
            true => self.graph.output(name, x),
            false => Ok(()),
        }
    }
}

fn resnet_options(config: &UNetConfig) -> ResnetOptions {
    ResnetOptions {
        groups: config.norm_num_groups,
        eps: config.norm_eps,
        activation: config.act_fn,
        scale_shift: config.resnet_scale_shift,
        output_scale_factor: 1.0,
    }
}

fn text_inputs(graph: &mut GraphBuilder, config: &UNetConfig, request: &UNetRequest) -> Result<Option<Text>> {
    if !config.has_cross_attention() {
        return Ok(None);
    }
    let batch = request.batch;
    let shape = [batch, request.text_length, config.cross_attention_dim];
    let hidden_states = graph.input("encoder_hidden_states", &shape)?;
    if request.lasting_text {
        graph.lasts(hidden_states);
    }
    let second = match request.second_text_branch {
        None => None,
        Some(branch) => {
            let shape = [batch, branch.length, branch.width];
            let hidden_states = graph.input("encoder_hidden_states_2", &shape)?;
            let scale = graph.input("encoder_hidden_states_2_scale", &[batch])?;
            Some(SecondBranch { hidden_states, scale: graph.reshape(scale, &[batch, 1, 1])? })
        }
    };
    Ok(Some(Text { hidden_states, second }))
}

fn check(config: &UNetConfig, request: &UNetRequest) -> Result<()> {
    require_size("batch", request.batch, 1..=64)?;
    require_size("height", request.height, 1..=MAX_LATENT_SIDE)?;
    require_size("width", request.width, 1..=MAX_LATENT_SIDE)?;
    require_size("known_timesteps", request.known_timesteps, 0..=1000)?;
    if config.has_cross_attention() {
        require_size("text_length", request.text_length, WIDTHS)?;
    }
    if let Some(branch) = request.second_text_branch {
        if !config.has_cross_attention() {
            return Err(Error::InvalidOption {
                option: "second_text_branch",
                accepted: "absent for a network without cross-attention".to_owned(),
                value: format!("{branch:?}"),
            });
        }
        require_size("second_text_branch.length", branch.length, WIDTHS)?;
        require_size("second_text_branch.width", branch.width, WIDTHS)?;
    }
    let levels = config.block_out_channels.len();
    let blocks = (0..levels).flat_map(|level| [format!("down_blocks.{level}"), format!("up_blocks.{level}")]);
    let known: Vec<String> = blocks.chain(["mid_block".to_owned()]).collect();
    match request.features.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::InvalidOption {
            option: "features",
            accepted: format!("mid_block, down_blocks.N or up_blocks.N with N below {levels}"),
            value: name.clone(),
        }),
    }
}
