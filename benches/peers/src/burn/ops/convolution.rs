//! Convolution, by Burn.

use burn_tensor::Tensor;
use burn_tensor::module;
use burn_tensor::ops::ConvOptions;

use super::{Operation, only};

/// `padding` is `[top, left, bottom, right]`.
pub fn conv2d(kernel: Tensor<4>, bias: Option<Tensor<1>>, stride: usize, padding: [usize; 4]) -> Operation {
    let [top, left, bottom, right] = padding;
    let options = ConvOptions::new_with_padding([stride; 2], [(top, bottom), (left, right)], [1; 2], 1);
    Box::new(move |operands| {
        let x = channels_first(only(operands));
        channels_last(module::conv2d(x, kernel.clone(), bias.clone(), options.clone()))
    })
}

/// `[B, H, W, C]` to `[B, C, H, W]`.
pub fn channels_first(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 3, 1, 2])
}

/// `[B, C, H, W]` to `[B, H, W, C]`.
pub fn channels_last(x: Tensor<4>) -> Tensor<4> {
    x.permute([0, 2, 3, 1])
}
