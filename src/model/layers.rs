//! The layers that every network here is made of, by their path in the checkpoint.
//!
//! A layer at `path` owns the parameters `path.weight` and `path.bias`; their shapes follow from its input.

use crate::error::Result;
use crate::graph::{GraphBuilder, Value};

/// A convolution other than the usual 3x3 that keeps the size.
pub(super) struct Convolution {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    /// `[top, left, bottom, right]`
    pub(super) padding: [usize; 4],
    pub(super) bias: bool,
}

impl Convolution {
    /// Keeps height and width; `kernel` is odd.
    pub(super) fn same(kernel: usize) -> Self {
        Self { kernel, stride: 1, padding: [kernel / 2; 4], bias: true }
    }
}

impl GraphBuilder {
    /// Extent of the last axis.
    pub(super) fn channels(&self, value: Value) -> usize {
        self.shape(value).last().copied().unwrap_or(0)
    }

    /// Height and width of a picture `[B, H, W, C]`.
    pub(super) fn size(&self, picture: Value) -> [usize; 2] {
        [self.shape(picture)[1], self.shape(picture)[2]]
    }

    /// `nn.Linear`: `[… , K]` to `[… , outputs]`.
    pub(super) fn linear_layer(&mut self, path: &str, x: Value, outputs: usize) -> Result<Value> {
        let shape = [outputs, self.channels(x)];
        self.weight_and_bias(path, x, &shape)
    }

    /// A 1x1 `nn.Conv2d`, whose weight is stored as `[outputs, K, 1, 1]`: `[… , K]` to `[… , outputs]`.
    pub(super) fn pointwise_layer(&mut self, path: &str, x: Value, outputs: usize) -> Result<Value> {
        let shape = [outputs, self.channels(x), 1, 1];
        self.weight_and_bias(path, x, &shape)
    }

    fn weight_and_bias(&mut self, path: &str, x: Value, shape: &[usize]) -> Result<Value> {
        let weight = self.parameter(&format!("{path}.weight"), shape)?;
        let bias = self.parameter(&format!("{path}.bias"), &shape[..1])?;
        self.linear(x, weight, Some(bias))
    }

    /// `nn.Linear(bias=False)`.
    pub(super) fn unbiased_layer(&mut self, path: &str, x: Value, outputs: usize) -> Result<Value> {
        let weight = self.parameter(&format!("{path}.weight"), &[outputs, self.channels(x)])?;
        self.linear(x, weight, None)
    }

    /// A 3x3 `nn.Conv2d` that keeps height and width: `[B, H, W, C]` to `[B, H, W, outputs]`.
    pub(super) fn conv_layer(&mut self, path: &str, x: Value, outputs: usize) -> Result<Value> {
        self.convolution_layer(path, x, outputs, &Convolution::same(3))
    }

    /// Any `nn.Conv2d`.
    pub(super) fn convolution_layer(
        &mut self,
        path: &str,
        x: Value,
        outputs: usize,
        convolution: &Convolution,
    ) -> Result<Value> {
        let Convolution { kernel, stride, padding, bias } = *convolution;
        let shape = [outputs, self.channels(x), kernel, kernel];
        let weight = self.parameter(&format!("{path}.weight"), &shape)?;
        let bias = match bias {
            true => Some(self.parameter(&format!("{path}.bias"), &[outputs])?),
            false => None,
        };
        self.conv2d(x, weight, bias, stride, padding)
    }

    /// `nn.GroupNorm`.
    pub(super) fn group_norm_layer(
        &mut self,
        path: &str,
        x: Value,
        groups: usize,
        eps: f64,
    ) -> Result<Value> {
        let [gamma, beta] = self.scale_and_shift(path, x)?;
        self.group_norm(x, gamma, beta, groups, eps)
    }

    /// `nn.LayerNorm` over the last axis.
    pub(super) fn layer_norm_layer(&mut self, path: &str, x: Value, eps: f64) -> Result<Value> {
        let [gamma, beta] = self.scale_and_shift(path, x)?;
        self.layer_norm(x, gamma, beta, eps)
    }

    fn scale_and_shift(&mut self, path: &str, x: Value) -> Result<[Value; 2]> {
        let channels = self.channels(x);
        let gamma = self.parameter(&format!("{path}.weight"), &[channels])?;
        let beta = self.parameter(&format!("{path}.bias"), &[channels])?;
        Ok([gamma, beta])
    }

    /// `nn.Embedding(rows, width)`: ids `[…]` to `[… , width]`.
    pub(super) fn embedding_layer(
        &mut self,
        path: &str,
        ids: Value,
        rows: usize,
        width: usize,
    ) -> Result<Value> {
        let table = self.parameter(&format!("{path}.weight"), &[rows, width])?;
        self.embedding(ids, table)
    }

    /// Attention with the scale `(D / heads)^-0.5` (Vaswani et al. 2017, Eq. (1)).
    pub(super) fn scaled_attention(
        &mut self,
        [q, k, v]: [Value; 3],
        heads: usize,
        causal: bool,
    ) -> Result<Value> {
        let head_dim = self.channels(q) as f64 / heads as f64;
        self.attention(q, k, v, heads, 1.0 / head_dim.sqrt(), causal)
    }
}
