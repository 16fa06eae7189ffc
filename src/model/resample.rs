//! Downsample2D and Upsample2D: halving and doubling a picture between levels, each with a learned 3x3
//! convolution.

use super::layers::Convolution;
use crate::error::Result;
use crate::graph::{GraphBuilder, Value};

/// Where a stride-2 convolution pads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DownsamplePadding {
    /// One row and column on every side: `downsample_padding = 1`. `H` becomes `⌈H / 2⌉`.
    Around,
    /// One row below and one column to the right: `downsample_padding = 0`, for which diffusers pads by hand.
    /// `H` becomes `⌊H / 2⌋`.
    BelowRight,
}

/// `[B, H, W, C]` to `[B, H', W', C]`.
pub(super) fn downsample(
    graph: &mut GraphBuilder,
    path: &str,
    x: Value,
    padding: DownsamplePadding,
) -> Result<Value> {
    let padding = match padding {
        DownsamplePadding::Around => [1, 1, 1, 1],
        DownsamplePadding::BelowRight => [0, 0, 1, 1],
    };
    let channels = graph.channels(x);
    let convolution = Convolution { kernel: 3, stride: 2, padding, bias: true };
    graph.convolution_layer(&format!("{path}.conv"), x, channels, &convolution)
}

/// `[B, H, W, C]` to `[B, height, width, C]`: nearest neighbours, then a convolution.
pub(super) fn upsample(
    graph: &mut GraphBuilder,
    path: &str,
    x: Value,
    [height, width]: [usize; 2],
) -> Result<Value> {
    let channels = graph.channels(x);
    let larger = graph.upsample(x, height, width)?;
    graph.conv_layer(&format!("{path}.conv"), larger, channels)
}
