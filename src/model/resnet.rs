//! ResnetBlock2D: two convolutions with norms, told the time between them.
//!
//! ```text
//! h = conv1(act(norm1(x)))                      [B, H, W, out]
//! h = norm2(h + time_emb_proj(act(temb)))       time_embedding_norm "default"
//! h = norm2(h) · (1 + scale) + shift            "scale_shift", [scale, shift] = time_emb_proj(act(temb))
//! y = (conv_shortcut(x) + conv2(act(h))) / output_scale_factor
//! ```
//!
//! `conv_shortcut` exists only where the number of channels changes. He et al. 2016; Dhariwal & Nichol 2021,
//! section 3.1, for scale and shift.

use crate::error::Result;
use crate::graph::{Activation, GraphBuilder, Value};

/// What all residual blocks of a network share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ResnetOptions {
    pub(super) groups: usize,
    pub(super) eps: f64,
    pub(super) activation: Activation,
    /// `time_embedding_norm = "scale_shift"`
    pub(super) scale_shift: bool,
    /// The sum is divided by it.
    pub(super) output_scale_factor: f64,
}

/// The time embedding after its activation, which is the same for all blocks and so computed once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// A row for each sample, `[B, T]`; or for each timestep that is known beforehand, `[N, T]`.
    pub(super) rows: Value,
    /// `[B]`: which of those.
    pub(super) step: Option<Value>,
}

impl Time {
    /// The rows of the samples, `[B, D]`, out of all rows `x [N, D]` that were computed from these.
    pub(super) fn of_samples(self, graph: &mut GraphBuilder, x: Value) -> Result<Value> {
        self.step.map_or(Ok(x), |step| graph.embedding(step, x))
    }
}

/// `x [B, H, W, C]` to `[B, H, W, out]`. Autoencoders have no `time`.
pub(super) fn resnet_block(
    graph: &mut GraphBuilder,
    path: &str,
    x: Value,
    out: usize,
    time: Option<Time>,
    options: &ResnetOptions,
) -> Result<Value> {
    let ResnetOptions { groups, eps, activation, scale_shift, output_scale_factor } = *options;

    let mut h = graph.group_norm_layer(&format!("{path}.norm1"), x, groups, eps)?;
    h = graph.activation(h, activation);
    h = graph.conv_layer(&format!("{path}.conv1"), h, out)?;

    let norm2 = format!("{path}.norm2");
    match time {
        Some(time) if scale_shift => {
            let [scale, shift] = time_scale_and_shift(graph, path, time, out)?;
            h = graph.group_norm_layer(&norm2, h, groups, eps)?;
            let scale = graph.affine(scale, 1.0, 1.0);
            h = graph.multiply(h, scale)?;
            h = graph.add(h, shift)?;
        }
        Some(time) => {
            let shift = time_emb_proj(graph, path, time, out)?;
            let shift = per_channel(graph, shift)?;
            h = graph.add(h, shift)?;
            h = graph.group_norm_layer(&norm2, h, groups, eps)?;
        }
        None => h = graph.group_norm_layer(&norm2, h, groups, eps)?,
    }
    h = graph.activation(h, activation);
    h = graph.conv_layer(&format!("{path}.conv2"), h, out)?;

    let shortcut = match graph.channels(x) == out {
        true => x,
        false => graph.pointwise_layer(&format!("{path}.conv_shortcut"), x, out)?,
    };
    let y = graph.add(shortcut, h)?;
    if output_scale_factor == 1.0 {
        return Ok(y);
    }
    Ok(graph.affine(y, 1.0 / output_scale_factor, 0.0))
}

fn time_scale_and_shift(
    graph: &mut GraphBuilder,
    path: &str,
    time: Time,
    channels: usize,
) -> Result<[Value; 2]> {
    let both = time_emb_proj(graph, path, time, 2 * channels)?;
    let scale = graph.slice(both, 0, channels)?;
    let shift = graph.slice(both, channels, channels)?;
    Ok([per_channel(graph, scale)?, per_channel(graph, shift)?])
}

/// The samples' rows come last, so that everything before them is of the timesteps alone.
fn time_emb_proj(graph: &mut GraphBuilder, path: &str, time: Time, outputs: usize) -> Result<Value> {
    let rows = graph.linear_layer(&format!("{path}.time_emb_proj"), time.rows, outputs)?;
    time.of_samples(graph, rows)
}

/// `[B, C]` to `[B, 1, 1, C]`, which repeats over pixels.
fn per_channel(graph: &mut GraphBuilder, x: Value) -> Result<Value> {
    let [batch, channels] = [graph.shape(x)[0], graph.channels(x)];
    graph.reshape(x, &[batch, 1, 1, channels])
}
