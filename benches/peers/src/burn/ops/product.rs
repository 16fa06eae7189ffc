//! Matrix products, by Burn.

use burn_tensor::Tensor;
use burn_tensor::module;

use super::{Operation, only};

/// `x · weight + bias`, with `weight [K, N]`.
pub fn linear(weight: Tensor<2>, bias: Option<Tensor<1>>) -> Operation {
    Box::new(move |operands| module::linear(only(operands), weight.clone(), bias.clone()))
}
