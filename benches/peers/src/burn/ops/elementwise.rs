//! Operations on each element.

use burn_tensor::{Tensor, activation as burn};
use tenstep::graph::Activation;

use super::{Operation, few, only};

pub fn activation(activation: Activation) -> Operation {
    let apply: fn(Tensor<4>) -> Tensor<4> = match activation {
        Activation::Silu => burn::silu,
        Activation::Gelu => burn::gelu,
        Activation::GeluTanh => burn::gelu_approximate,
        Activation::QuickGelu => |x| x.clone() * burn::sigmoid(x * 1.702),
        Activation::Relu => burn::relu,
        Activation::Tanh => burn::tanh,
    };
    Box::new(move |operands| apply(only(operands)))
}

/// Burn repeats extents of 1 by itself.
pub fn binary(operands: Vec<Tensor<4>>, combine: fn(Tensor<4>, Tensor<4>) -> Tensor<4>) -> Tensor<4> {
    let [x, y] = few(operands);
    combine(x, y)
}

/// `scale · x + shift`.
pub fn affine(scale: f64, shift: f64) -> Operation {
    Box::new(move |operands| only(operands) * scale + shift)
}

/// `a · gelu(b)`, where the last axis holds `a` then `b`, each `half` wide.
pub fn geglu(half: usize) -> Operation {
    Box::new(move |operands| {
        let x = only(operands);
        x.clone().narrow(3, 0, half) * burn::gelu(x.narrow(3, half, half))
    })
}
