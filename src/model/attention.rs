//! Attention layers: diffusers' `Attention`, between tokens and between pixels.

use super::resnet::ResnetOptions;
use crate::error::Result;
use crate::graph::{GraphBuilder, Value};

/// A second source of keys and values, whose attention is added to the first's: image prompts (Ye et al. 2023,
/// IP-Adapter, Eq. (5)), or a learned negative prompt.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecondBranch {
    /// `[B, L2, D2]`
    pub(super) hidden_states: Value,
    /// `[B, 1, 1]`
    pub(super) scale: Value,
}

/// Self-attention where `context` is `x`, else cross-attention: `x [B, L, C]`, `context [B, Lk, D]` to `[B, L, C]`.
///
/// The projections `to_q`, `to_k` and `to_v` have a bias only if `bias`; `to_out.0` always has one. A second
/// branch has its own `processor.to_k_ip.0` and `processor.to_v_ip.0`, as diffusers names them.
pub(super) fn attention(
    graph: &mut GraphBuilder,
    path: &str,
    x: Value,
    context: Value,
    heads: usize,
    bias: bool,
    second: Option<SecondBranch>,
) -> Result<Value> {
    let width = graph.channels(x);
    let mut project = |name: &str, from: Value| match bias {
        true => graph.linear_layer(&format!("{path}.{name}"), from, width),
        false => graph.unbiased_layer(&format!("{path}.{name}"), from, width),
    };
    let (q, k, v) = (project("to_q", x)?, project("to_k", context)?, project("to_v", context)?);
    let mut y = graph.scaled_attention([q, k, v], heads, false)?;
    if let Some(second) = second {
        let k = graph.unbiased_layer(&format!("{path}.processor.to_k_ip.0"), second.hidden_states, width)?;
        let v = graph.unbiased_layer(&format!("{path}.processor.to_v_ip.0"), second.hidden_states, width)?;
        let seen = graph.scaled_attention([q, k, v], heads, false)?;
        let scaled = graph.multiply(seen, second.scale)?;
        y = graph.add(y, scaled)?;
    }
    graph.linear_layer(&format!("{path}.to_out.0"), y, width)
}

/// Attention between the pixels of `x [B, H, W, C]`, with its own norm and shortcut:
/// `y = x + attention(norm(x))`. Ho et al. 2020, appendix B. Of the options only
/// groups and eps matter.
pub(super) fn pixel_attention(
    graph: &mut GraphBuilder,
    path: &str,
    x: Value,
    heads: usize,
    options: &ResnetOptions,
) -> Result<Value> {
    let shape = graph.shape(x).to_vec();
    let normed = graph.group_norm_layer(&format!("{path}.group_norm"), x, options.groups, options.eps)?;
    let pixels = graph.reshape(normed, &[shape[0], shape[1] * shape[2], shape[3]])?;
    let y = attention(graph, path, pixels, pixels, heads, true, None)?;
    let y = graph.reshape(y, &shape)?;
    graph.add(x, y)
}
