//! CLIPTextModel: tokens to the vectors that the UNet looks at. Radford et al. 2021, section 2.4.
//!
//! ```text
//! h = token_embedding(input_ids) + position_embedding      [B, L, D]        hidden_states.0
//! for each layer:
//!   h = h + self_attn(layer_norm1(h))                      causal
//!   h = h + fc2(act(fc1(layer_norm2(h))))                  D to intermediate_size to D
//!                                                          [B, L, D]        hidden_states.N
//! last_hidden_state = final_layer_norm(h)                  [B, L, D]
//! ```
//!
//! WordTableTextModel is the same network with its token embedding in two factors (Lan et al. 2019, arXiv:1909.11942,
//! section 3.1): `project_in(token_embedding(input_ids))`, rows of `word_embed_proj_dim` numbers, which may be word vectors
//! that know more words than any caption. docs/word-table.md describes its files.

use serde_json::Value as Json;

use super::fields::{Fields, WIDTHS, require_size};
use crate::error::{Error, Result};
use crate::graph::{Activation, Graph, GraphBuilder, Value};

/// A text encoder as its `config.json` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct TextEncoderConfig {
    pub vocab_size: usize,
    /// Width `D` of a token.
    pub hidden_size: usize,
    /// Width of the token table's rows where a linear map takes them to `D`; `None` where they are `D` wide.
    pub word_embed_proj_dim: Option<usize>,
    pub intermediate_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    /// The longest sequence.
    pub max_position_embeddings: usize,
    pub hidden_act: Activation,
    pub layer_norm_eps: f64,
}

/// The shapes of one text encoder graph, and which of its optional outputs it has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextEncoderRequest {
    /// Prompts in one evaluation, 1 to 64.
    pub batch: usize,
    /// Tokens of each, 1 to `max_position_embeddings`.
    pub length: usize,
    /// Layers left out at the end, before `final_layer_norm`; 0 for all layers. Below `num_hidden_layers`.
    pub clip_skip: usize,
    /// `N` of the outputs `hidden_states.N`: 0 for the embeddings, then one for each layer that is run.
    pub hidden_states: Vec<usize>,
}

/// The class of a text encoder whose token embedding is a table of word vectors and a projection.
const WORD_TABLE: &str = "WordTableTextModel";

/// transformers' names of activations.
const HIDDEN_ACTS: &[(&str, Activation)] = &[
    ("quick_gelu", Activation::QuickGelu),
    ("gelu", Activation::Gelu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("silu", Activation::Silu),
    ("relu", Activation::Relu),
];

impl TextEncoderConfig {
    /// Reads transformers' JSON of a CLIPTextModel, or ours of a WordTableTextModel. Errors: [`Error::UnsupportedConfig`] names the first field
    /// that this version does not do.
    pub fn from_json(config: &Json) -> Result<Self> {
        let mut fields = Fields::new("text_encoder", config, &["CLIPTextModel"])?;
        let word_table = config.get("architectures") == Some(&Json::from(vec![WORD_TABLE]));
        let f = &mut fields;
        let config = Self {
            vocab_size: f.size("vocab_size", 49408, 1..=1 << 20)?,
            hidden_size: f.size("hidden_size", 512, WIDTHS)?,
            word_embed_proj_dim: match word_table {
                true => Some(f.size("word_embed_proj_dim", 50, WIDTHS)?),
                false => None,
            },
            intermediate_size: f.size("intermediate_size", 2048, WIDTHS)?,
            num_hidden_layers: f.size("num_hidden_layers", 12, 1..=96)?,
            num_attention_heads: f.size("num_attention_heads", 8, WIDTHS)?,
            max_position_embeddings: f.size("max_position_embeddings", 77, WIDTHS)?,
            hidden_act: f.choice("hidden_act", Activation::QuickGelu, HIDDEN_ACTS)?,
            layer_norm_eps: f.positive("layer_norm_eps", 1e-5)?,
        };
        f.require("model_type", &[Json::from("clip_text_model")])?;
        // CLIPTextModelWithProjection is the same network with one more output, which Stable Diffusion leaves.
        let classes = ["CLIPTextModel", "CLIPTextModelWithProjection", WORD_TABLE];
        f.require("architectures", &classes.map(|name| Json::from(vec![name])))?;
        // What pads and what ends a prompt is the tokenizer's business; the rest concerns training and files.
        f.ignore(&["bos_token_id", "eos_token_id", "pad_token_id", "projection_dim", "use_cache"]);
        f.ignore(&["attention_dropout", "dropout", "initializer_factor", "initializer_range"]);
        f.ignore(&["dtype", "torch_dtype", "transformers_version"]);
        fields.finish()?;
        if !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(Error::InvalidConfig {
                component: "text_encoder".to_owned(),
                message: format!(
                    "hidden_size {} does not divide into {} heads",
                    config.hidden_size, config.num_attention_heads
                ),
            });
        }
        Ok(config)
    }
}

/// Builds the graph. Input: `input_ids [B, L]`, whole numbers below `vocab_size`. Outputs:
/// `last_hidden_state [B, L, D]`, and the requested `hidden_states.N [B, L, D]`, which `final_layer_norm` has not
/// touched.
///
/// Errors: [`Error::InvalidOption`] for a request out of range.
pub fn text_encoder(config: &TextEncoderConfig, request: &TextEncoderRequest) -> Result<Graph> {
    let &TextEncoderRequest { batch, length, clip_skip, .. } = request;
    require_size("batch", batch, 1..=64)?;
    require_size("length", length, 1..=config.max_position_embeddings)?;
    require_size("clip_skip", clip_skip, 0..=config.num_hidden_layers - 1)?;
    let layers = config.num_hidden_layers - clip_skip;
    for &index in &request.hidden_states {
        require_size("hidden_states", index, 0..=layers)?;
    }

    let mut graph = GraphBuilder::new();
    let mut h = embeddings(&mut graph, config, batch, length)?;
    hidden_state_output(&mut graph, request, 0, h)?;
    for layer in 0..layers {
        h = encoder_layer(&mut graph, config, &format!("encoder.layers.{layer}"), h)?;
        hidden_state_output(&mut graph, request, layer + 1, h)?;
    }
    let h = graph.layer_norm_layer("final_layer_norm", h, config.layer_norm_eps)?;
    graph.output("last_hidden_state", h)?;
    graph.finish()
}

/// `[B, L]` ids to `[B, L, D]`.
fn embeddings(
    graph: &mut GraphBuilder,
    config: &TextEncoderConfig,
    batch: usize,
    length: usize,
) -> Result<Value> {
    let (width, rows) = (config.hidden_size, config.max_position_embeddings);
    let ids = graph.input("input_ids", &[batch, length])?;
    let tokens = match config.word_embed_proj_dim {
        None => graph.embedding_layer("embeddings.token_embedding", ids, config.vocab_size, width)?,
        Some(narrow) => {
            let rows = graph.embedding_layer("embeddings.token_embedding", ids, config.vocab_size, narrow)?;
            let projection = graph.parameter("embeddings.project_in.weight", &[width, narrow])?;
            graph.linear(rows, projection, None)?
        }
    };
    let table = graph.parameter("embeddings.position_embedding.weight", &[rows, width])?;
    // The first `length` rows of the table are the start of its elements in a row.
    let flat = graph.reshape(table, &[1, rows * width])?;
    let first = match length == rows {
        true => flat,
        false => graph.slice(flat, 0, length * width)?,
    };
    let positions = graph.reshape(first, &[1, length, width])?;
    graph.add(tokens, positions)
}

/// CLIPEncoderLayer: `[B, L, D]` to the same.
fn encoder_layer(
    graph: &mut GraphBuilder,
    config: &TextEncoderConfig,
    path: &str,
    h: Value,
) -> Result<Value> {
    let (width, eps) = (config.hidden_size, config.layer_norm_eps);
    let normed = graph.layer_norm_layer(&format!("{path}.layer_norm1"), h, eps)?;
    let mut project = |name: &str| graph.linear_layer(&format!("{path}.self_attn.{name}"), normed, width);
    let qkv = [project("q_proj")?, project("k_proj")?, project("v_proj")?];
    let seen = graph.scaled_attention(qkv, config.num_attention_heads, true)?;
    let seen = graph.linear_layer(&format!("{path}.self_attn.out_proj"), seen, width)?;
    let h = graph.add(h, seen)?;

    let normed = graph.layer_norm_layer(&format!("{path}.layer_norm2"), h, eps)?;
    let wide = graph.linear_layer(&format!("{path}.mlp.fc1"), normed, config.intermediate_size)?;
    let wide = graph.activation(wide, config.hidden_act);
    let fed = graph.linear_layer(&format!("{path}.mlp.fc2"), wide, width)?;
    graph.add(h, fed)
}

fn hidden_state_output(
    graph: &mut GraphBuilder,
    request: &TextEncoderRequest,
    index: usize,
    h: Value,
) -> Result<()> {
    match request.hidden_states.contains(&index) {
        true => graph.output(&format!("hidden_states.{index}"), h),
        false => Ok(()),
    }
}
