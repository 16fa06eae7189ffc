//! Norms.

use burn_tensor::Tensor;
use burn_tensor::module;

use super::{Operation, only};

/// The operations of Burn's own layer, over the pixels of each of `batch` samples.
pub fn group_norm(gamma: Tensor<1>, beta: Tensor<1>, batch: usize, groups: usize, eps: f64) -> Operation {
    let gamma = gamma.reshape([1, -1, 1]);
    let beta = beta.reshape([1, -1, 1]);
    Box::new(move |operands| {
        let x = only(operands);
        let shape = x.dims();
        let channels = shape[3];
        let pixels = shape.iter().product::<usize>() / batch / channels;
        let x = x.reshape([batch, pixels, channels]).swap_dims(1, 2);
        let x = x.reshape([batch, groups, channels / groups * pixels]);
        let mean = x.clone().mean_dim(2);
        let x = x - mean;
        let variance = x.clone().square().mean_dim(2);
        let x = x / (variance + eps).sqrt();
        let x = x.reshape([batch, channels, pixels]) * gamma.clone() + beta.clone();
        x.swap_dims(1, 2).reshape(shape)
    })
}

/// Over the last axis.
pub fn layer_norm(gamma: Tensor<1>, beta: Tensor<1>, eps: f64) -> Operation {
    Box::new(move |operands| module::layer_norm(only(operands), gamma.clone(), Some(beta.clone()), eps))
}
