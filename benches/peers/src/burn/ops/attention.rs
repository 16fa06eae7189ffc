//! Attention, by Burn's operation for it.

use burn_tensor::Tensor;
use burn_tensor::module;
use burn_tensor::ops::AttentionModuleOptions;

use super::{Operation, few};

/// Heads are consecutive slices of the last axis.
pub fn attention(heads: usize, scale: f64, is_causal: bool) -> Operation {
    Box::new(move |operands| {
        let [q, k, v] = few(operands);
        let [_, batch, queries, width] = q.dims();
        // Burn has kernels for its default scale alone.
        let default = 1.0 / ((width / heads) as f64).sqrt();
        let scale = (scale != default).then_some(scale);
        let options = AttentionModuleOptions { scale, is_causal, ..AttentionModuleOptions::default() };
        let seen = module::attention(split(q, heads), split(k, heads), split(v, heads), None, None, options);
        seen.swap_dims(1, 2).reshape([1, batch, queries, width])
    })
}

/// `[1, B, L, D]` to `[B, heads, L, D / heads]`.
fn split(x: Tensor<4>, heads: usize) -> Tensor<4> {
    let [_, batch, length, width] = x.dims();
    x.reshape([batch, length, heads, width / heads]).swap_dims(1, 2)
}
