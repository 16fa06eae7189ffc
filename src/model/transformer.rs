//! Transformer2DModel: pixels as tokens that look at each other and at the text.
//!
//! ```text
//! h = proj_in(norm(x))                                          [B, H·W, C]
//! for each block:
//!   h = h + attn1(norm1(h))                                     between pixels
//!   h = h + attn2(norm2(h), encoder_hidden_states)              from pixels to text
//!   h = h + ff(norm3(h))                                        C to 4C (GEGLU) to C
//! y = x + proj_out(h)                                           [B, H, W, C]
//! ```
//!
//! Rombach et al. 2022, section 3.3 and appendix E.2.1.

use super::attention::{SecondBranch, attention};
use crate::error::Result;
use crate::graph::{GraphBuilder, Value};

/// `Transformer2DModel` fixes the eps of its norm, and `BasicTransformerBlock` that of its layer norms.
const GROUP_NORM_EPS: f64 = 1e-6;
const LAYER_NORM_EPS: f64 = 1e-5;

/// The shape of the transformers of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TransformerOptions {
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) groups: usize,
    /// `proj_in` and `proj_out` are stored as linear maps (SD 2.x) instead of 1x1 convolutions (SD 1.x).
    pub(super) linear_projection: bool,
    /// `attn1` looks at the text too.
    pub(super) only_cross_attention: bool,
}

/// What pixels look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    /// `encoder_hidden_states [B, L, D]`
    pub(super) hidden_states: Value,
    pub(super) second: Option<SecondBranch>,
}

/// `x [B, H, W, C]` to the same shape.
pub(super) fn transformer(
    graph: &mut GraphBuilder,
    path: &str,
    x: Value,
    text: Text,
    options: &TransformerOptions,
) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let channels = shape[3];
    let project = |graph: &mut GraphBuilder, name: &str, from: Value| match options.linear_projection {
        true => graph.linear_layer(&format!("{path}.{name}"), from, channels),
        false => graph.pointwise_layer(&format!("{path}.{name}"), from, channels),
    };

    let normed = graph.group_norm_layer(&format!("{path}.norm"), x, options.groups, GROUP_NORM_EPS)?;
    let pixels = graph.reshape(normed, &[shape[0], shape[1] * shape[2], channels])?;
    let mut h = project(graph, "proj_in", pixels)?;
    for layer in 0..options.layers {
        h = transformer_block(graph, &format!("{path}.transformer_blocks.{layer}"), h, text, options)?;
    }
    let h = project(graph, "proj_out", h)?;
    let h = graph.reshape(h, &shape)?;
    graph.add(x, h)
}

/// BasicTransformerBlock: `h [B, L, C]` to the same shape.
fn transformer_block(
    graph: &mut GraphBuilder,
    path: &str,
    mut h: Value,
    text: Text,
    options: &TransformerOptions,
) -> Result<Value> {
    let normed = graph.layer_norm_layer(&format!("{path}.norm1"), h, LAYER_NORM_EPS)?;
    let attn1 = format!("{path}.attn1");
    let seen = match options.only_cross_attention {
        true => attention(graph, &attn1, normed, text.hidden_states, options.heads, false, None)?,
        false => attention(graph, &attn1, normed, normed, options.heads, false, None)?,
    };
    h = graph.add(h, seen)?;

    let normed = graph.layer_norm_layer(&format!("{path}.norm2"), h, LAYER_NORM_EPS)?;
    let attn2 = format!("{path}.attn2");
    let seen = attention(graph, &attn2, normed, text.hidden_states, options.heads, false, text.second)?;
    h = graph.add(h, seen)?;

    let normed = graph.layer_norm_layer(&format!("{path}.norm3"), h, LAYER_NORM_EPS)?;
    let fed = feed_forward(graph, &format!("{path}.ff"), normed)?;
    graph.add(h, fed)
}

/// FeedForward with GEGLU: four times the width inside. Shazeer 2020.
fn feed_forward(graph: &mut GraphBuilder, path: &str, x: Value) -> Result<Value> {
    let channels = graph.channels(x);
    let wide = graph.linear_layer(&format!("{path}.net.0.proj"), x, 8 * channels)?;
    let gated = graph.geglu(wide)?;
    graph.linear_layer(&format!("{path}.net.2"), gated, channels)
}
