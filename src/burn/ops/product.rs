//! Matrix products, by Burn.

use burn_backend::ops::FloatTensorOps;
use burn_flex::{Flex, FlexTensor};

use super::{shape, values};
use crate::burn::tensor::{matrix, values_mut};

/// `x · columns + bias`: `x [… , K]`, `columns [… , K, N]` with leading extents 1, `bias [N]`.
pub(super) fn linear(
    x: &FlexTensor,
    columns: &FlexTensor,
    bias: Option<&FlexTensor>,
    out: &[usize],
) -> FlexTensor {
    let inputs = shape(x).last().copied().unwrap_or(1);
    let outputs = out.last().copied().unwrap_or(1);
    let rows = values(x).len() / inputs;
    let x = matrix(x, 0, [rows, inputs], [inputs, 1]);
    let mut y = product(x, matrix(columns, 0, [inputs, outputs], [outputs, 1]));
    add_bias(&mut y, bias);
    y.reshape(out.to_vec().into())
}

/// `a [M, K] · b [K, N]`, either of them a view; gives a contiguous `[M, N]`.
pub(super) fn product(a: FlexTensor, b: FlexTensor) -> FlexTensor {
    Flex::float_matmul(a, b)
}

/// Adds `bias [N]` to every row of `y [… , N]`.
pub(super) fn add_bias(y: &mut FlexTensor, bias: Option<&FlexTensor>) {
    if let Some(bias) = bias.map(values) {
        for row in values_mut(y).chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value += bias;
            }
        }
    }
}
