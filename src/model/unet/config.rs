//! UNet2DConditionModel's config.json.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::graph::Activation;
use crate::model::fields::{ACTIVATIONS, Fields, LAYERS, TRANSFORMER_LAYERS, WIDTHS};

/// What the blocks of one level are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockType {
    /// Residual blocks: `DownBlock2D`, `UpBlock2D`.
    Plain,
    /// Each followed by attention between pixels: `AttnDownBlock2D`, `AttnUpBlock2D`.
    Attention,
    /// Each followed by a transformer that also sees the text: `CrossAttnDownBlock2D`, `CrossAttnUpBlock2D`.
    CrossAttention,
}

/// What the block at the lowest resolution is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MidBlockType {
    /// One residual block: `UNetMidBlock2D`.
    Plain,
    /// A transformer between two residual blocks: `UNetMidBlock2DCrossAttn`.
    CrossAttention,
}

/// What `class_labels` are, and how they reach the time embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassEmbedding {
    /// One whole number a sample below `classes`, looked up in a table.
    Table { classes: usize },
    /// One number a sample, embedded as a timestep is.
    Timestep,
    /// A vector of the time embedding's own width.
    Identity,
    /// A vector of `width`, through two linear maps.
    Projection { width: usize },
    /// A vector of `width`, through one linear map.
    SimpleProjection { width: usize },
}

/// A UNet as its `config.json` describes it. Lists have one entry a level, from the highest resolution down.
#[derive(Debug, Clone, PartialEq)]
pub struct UNetConfig {
    /// Height and width of the latents it was trained on, where the config says.
    pub sample_size: Option<[usize; 2]>,
    /// Latent channels, and those of whatever is concatenated to them (a mask and a masked image: 4 + 1 + 4).
    pub in_channels: usize,
    pub out_channels: usize,
    pub center_input_sample: bool,
    pub flip_sin_to_cos: bool,
    pub freq_shift: f64,
    pub down_block_types: Vec<BlockType>,
    pub mid_block_type: Option<MidBlockType>,
    /// From the lowest resolution up, as diffusers lists them.
    pub up_block_types: Vec<BlockType>,
    pub only_cross_attention: Vec<bool>,
    pub block_out_channels: Vec<usize>,
    pub layers_per_block: Vec<usize>,
    /// 0 or 1: see `downsample`.
    pub downsample_padding: usize,
    pub mid_block_scale_factor: f64,
    pub act_fn: Activation,
    pub norm_num_groups: usize,
    pub norm_eps: f64,
    /// Width of `encoder_hidden_states`.
    pub cross_attention_dim: usize,
    pub transformer_layers_per_block: Vec<usize>,
    /// From the lowest resolution up; by default the reverse of `transformer_layers_per_block`.
    pub reverse_transformer_layers_per_block: Vec<usize>,
    /// The *number* of heads of a transformer, in spite of its name: diffusers keeps a historical slip. In
    /// [`BlockType::Attention`] blocks it is the width of a head, as it says.
    pub attention_head_dim: Vec<usize>,
    pub use_linear_projection: bool,
    pub class_embedding: Option<ClassEmbedding>,
    /// Class and time embeddings stand side by side instead of being added.
    pub class_embeddings_concat: bool,
    /// `resnet_time_scale_shift = "scale_shift"`
    pub resnet_scale_shift: bool,
    /// Width of the time embedding.
    pub time_embed_dim: usize,
    pub time_embedding_act_fn: Option<Activation>,
    pub timestep_post_act: Option<Activation>,
    /// Width of the input `timestep_cond`, where the network has one.
    pub time_cond_proj_dim: Option<usize>,
    pub conv_in_kernel: usize,
    pub conv_out_kernel: usize,
}

const DOWN_BLOCKS: &[(&str, BlockType)] = &[
    ("DownBlock2D", BlockType::Plain),
    ("AttnDownBlock2D", BlockType::Attention),
    ("CrossAttnDownBlock2D", BlockType::CrossAttention),
];

const UP_BLOCKS: &[(&str, BlockType)] = &[
    ("UpBlock2D", BlockType::Plain),
    ("AttnUpBlock2D", BlockType::Attention),
    ("CrossAttnUpBlock2D", BlockType::CrossAttention),
];

const MID_BLOCKS: &[(&str, MidBlockType)] =
    &[("UNetMidBlock2D", MidBlockType::Plain), ("UNetMidBlock2DCrossAttn", MidBlockType::CrossAttention)];

impl UNetConfig {
    /// Reads diffusers' JSON. Errors: [`Error::UnsupportedConfig`] names the first field that this version does
    /// not do; [`Error::InvalidConfig`] says what does not fit together.
    pub fn from_json(config: &Value) -> Result<Self> {
        use BlockType::{CrossAttention, Plain};
        let mut fields = Fields::new("unet", config, &["UNet2DConditionModel"])?;
        let f = &mut fields;
        let block_out_channels = f.sizes("block_out_channels", &[320, 640, 1280, 1280], WIDTHS)?;
        let levels = block_out_channels.len();
        let transformer_layers =
            f.size_per_block("transformer_layers_per_block", 1, levels, TRANSFORMER_LAYERS)?;
        let cross_attention_dims = f.size_per_block("cross_attention_dim", 1280, levels, WIDTHS)?;
        let config = Self {
            sample_size: f.sample_size("sample_size")?,
            in_channels: f.size("in_channels", 4, WIDTHS)?,
            out_channels: f.size("out_channels", 4, WIDTHS)?,
            center_input_sample: f.flag("center_input_sample", false)?,
            flip_sin_to_cos: f.flag("flip_sin_to_cos", true)?,
            freq_shift: f.number("freq_shift", 0.0)?,
            down_block_types: f.choice_per_block(
                "down_block_types",
                &[CrossAttention, CrossAttention, CrossAttention, Plain],
                levels,
                DOWN_BLOCKS,
            )?,
            mid_block_type: f.optional_choice(
                "mid_block_type",
                Some(MidBlockType::CrossAttention),
                MID_BLOCKS,
            )?,
            up_block_types: f.choice_per_block(
                "up_block_types",
                &[Plain, CrossAttention, CrossAttention, CrossAttention],
                levels,
                UP_BLOCKS,
            )?,
            only_cross_attention: f.flag_per_block("only_cross_attention", levels)?,
            layers_per_block: f.size_per_block("layers_per_block", 2, levels, LAYERS)?,
            downsample_padding: f.size("downsample_padding", 1, 0..=1)?,
            mid_block_scale_factor: f.positive("mid_block_scale_factor", 1.0)?,
            act_fn: f.choice("act_fn", Activation::Silu, ACTIVATIONS)?,
            norm_num_groups: f.size("norm_num_groups", 32, WIDTHS)?,
            norm_eps: f.positive("norm_eps", 1e-5)?,
            cross_attention_dim: cross_attention_dims[0],
            reverse_transformer_layers_per_block: reverse_transformer_layers(f, &transformer_layers)?,
            transformer_layers_per_block: transformer_layers,
            attention_head_dim: f.size_per_block("attention_head_dim", 8, levels, WIDTHS)?,
            use_linear_projection: f.flag("use_linear_projection", false)?,
            class_embedding: class_embedding(f)?,
            class_embeddings_concat: f.flag("class_embeddings_concat", false)?,
            resnet_scale_shift: f.choice(
                "resnet_time_scale_shift",
                false,
                &[("default", false), ("scale_shift", true)],
            )?,
            time_embed_dim: f
                .optional_size("time_embedding_dim", WIDTHS)?
                .unwrap_or(4 * block_out_channels[0]),
            time_embedding_act_fn: f.optional_choice("time_embedding_act_fn", None, ACTIVATIONS)?,
            timestep_post_act: f.optional_choice("timestep_post_act", None, ACTIVATIONS)?,
            time_cond_proj_dim: f.optional_size("time_cond_proj_dim", WIDTHS)?,
            conv_in_kernel: odd(f, "conv_in_kernel")?,
            conv_out_kernel: odd(f, "conv_out_kernel")?,
            block_out_channels,
        };
        f.ignore(&["dropout", "upcast_attention", "addition_embed_type_num_heads"]);
        refuse_other_architectures(f)?;
        fields.finish()?;
        config.check(&cross_attention_dims)?;
        Ok(config)
    }

    /// How often height and width are halved.
    pub fn halvings(&self) -> usize {
        self.block_out_channels.len() - 1
    }

    /// Whether any block looks at the text.
    pub fn has_cross_attention(&self) -> bool {
        let crosses = |types: &[BlockType]| types.contains(&BlockType::CrossAttention);
        self.mid_block_type == Some(MidBlockType::CrossAttention)
            || crosses(&self.down_block_types)
            || crosses(&self.up_block_types)
    }

    fn check(&self, cross_attention_dims: &[usize]) -> Result<()> {
        let invalid = |message: String| Err(Error::InvalidConfig { component: "unet".to_owned(), message });
        // All blocks are given the same encoder_hidden_states, so a list of widths must repeat one.
        if cross_attention_dims.iter().any(|&dim| dim != self.cross_attention_dim) {
            return invalid(format!(
                "cross_attention_dim {cross_attention_dims:?} must not differ between blocks"
            ));
        }
        for (&channels, &heads) in self.block_out_channels.iter().zip(&self.attention_head_dim) {
            if channels % self.norm_num_groups != 0 {
                return invalid(format!(
                    "{channels} channels do not divide into {} groups",
                    self.norm_num_groups
                ));
            }
            if self.has_attention() && channels % heads != 0 {
                return invalid(format!("{channels} channels do not divide into {heads} heads"));
            }
        }
        if !self.block_out_channels[0].is_multiple_of(2) {
            return invalid("block_out_channels must begin with an even number".to_owned());
        }
        Ok(())
    }

    fn has_attention(&self) -> bool {
        let attends = |types: &[BlockType]| types.iter().any(|&block| block != BlockType::Plain);
        self.has_cross_attention() || attends(&self.down_block_types) || attends(&self.up_block_types)
    }
}

/// Convolutions at both ends keep the size only if their kernel is odd.
fn odd(fields: &mut Fields, field: &str) -> Result<usize> {
    let kernel = fields.size(field, 3, 1..=15)?;
    match kernel % 2 {
        1 => Ok(kernel),
        _ => Err(fields.unsupported(field, &Value::from(kernel), "an odd number")),
    }
}

fn reverse_transformer_layers(fields: &mut Fields, layers: &[usize]) -> Result<Vec<usize>> {
    let field = "reverse_transformer_layers_per_block";
    match fields.is_null(field) {
        true => Ok(layers.iter().rev().copied().collect()),
        false => fields.size_per_block(field, 1, layers.len(), TRANSFORMER_LAYERS),
    }
}

fn class_embedding(fields: &mut Fields) -> Result<Option<ClassEmbedding>> {
    let classes = fields.optional_size("num_class_embeds", WIDTHS)?;
    let width = fields.optional_size("projection_class_embeddings_input_dim", WIDTHS)?;
    let table = classes.map(|classes| ClassEmbedding::Table { classes });
    let projections = [
        ("timestep", Some(ClassEmbedding::Timestep)),
        ("identity", Some(ClassEmbedding::Identity)),
        ("projection", width.map(|width| ClassEmbedding::Projection { width })),
        ("simple_projection", width.map(|width| ClassEmbedding::SimpleProjection { width })),
    ];
    match fields.optional_choice("class_embed_type", None, &projections)? {
        None => Ok(table),
        Some(Some(embedding)) => Ok(Some(embedding)),
        Some(None) => Err(Error::InvalidConfig {
            component: "unet".to_owned(),
            message: "class_embed_type needs projection_class_embeddings_input_dim".to_owned(),
        }),
    }
}

/// Fields of other families of networks (SDXL, Kandinsky, GLIGEN, DeepFloyd), each with the values that mean "not
/// one of those".
fn refuse_other_architectures(fields: &mut Fields) -> Result<()> {
    for field in [
        "num_attention_heads",
        "addition_embed_type",
        "addition_time_embed_dim",
        "encoder_hid_dim",
        "encoder_hid_dim_type",
        "cross_attention_norm",
    ] {
        fields.require(field, &[Value::Null])?;
    }
    fields.require("mid_block_only_cross_attention", &[Value::Null, Value::from(false)])?;
    fields.require("dual_cross_attention", &[Value::from(false)])?;
    fields.require("resnet_skip_time_act", &[Value::from(false)])?;
    fields.require("resnet_out_scale_factor", &[Value::from(1.0), Value::from(1)])?;
    fields.require("attention_type", &[Value::from("default")])?;
    fields.require("time_embedding_type", &[Value::from("positional")])
}
