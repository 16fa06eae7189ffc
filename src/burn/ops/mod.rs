//! What each operation of a graph does to Burn tensors.
//!
//! Operands arrive owned. One that nothing else refers to is changed in place; a shared one is copied by
//! Burn when it is first written.

mod attention;
mod convolution;
mod elementwise;
mod exponential;
mod lookup;
mod normalisation;
mod product;
mod rearrangement;

use burn_flex::FlexTensor;

use super::tensor::{from_values, shape, values};
use crate::graph::Op;

/// Evaluates one operation. `operands` are as [`Op`] lists them, except that the weights of
/// [`Op::Linear`] and [`Op::Conv2d`] come as [`super::columns`].
pub(super) fn evaluate(op: &Op, operands: Vec<FlexTensor>, out: &[usize]) -> FlexTensor {
    let mut operands = operands.into_iter();
    let x = operands.next().expect("every operation but inputs and parameters has an operand");
    let mut next = || operands.next().expect("the graph's builder counted the operands");
    match op {
        Op::Input { .. } | Op::Parameter { .. } => unreachable!("given, not computed"),
        Op::Linear => product::linear(&x, &next(), operands.next().as_ref(), out),
        Op::Conv2d { stride, padding } => {
            convolution::conv2d(&x, &next(), operands.next().as_ref(), *stride, *padding, out)
        }
        Op::GroupNorm { groups, eps } => normalisation::group_norm(x, &next(), &next(), *groups, *eps),
        Op::LayerNorm { eps } => normalisation::layer_norm(x, &next(), &next(), *eps),
        Op::Activation(activation) => elementwise::activation(x, *activation),
        Op::Add => elementwise::broadcast(x, next(), |a, b| a + b),
        Op::Multiply => elementwise::broadcast(x, next(), |a, b| a * b),
        Op::Affine { scale, shift } => elementwise::affine(x, *scale as f32, *shift as f32),
        Op::Geglu => elementwise::geglu(&x, out),
        Op::Attention { heads, scale, causal } => {
            attention::attention(&x, &next(), &next(), *heads, *scale as f32, *causal)
        }
        Op::Embedding => lookup::embedding(&x, &next(), out),
        Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
            lookup::timestep_embedding(&x, *dim, *flip_sin_to_cos, *freq_shift)
        }
        Op::Upsample { height, width } => rearrangement::upsample(&x, *height, *width),
        Op::Concat => {
            let parts: Vec<FlexTensor> = std::iter::once(x).chain(operands).collect();
            rearrangement::concat(&parts, out)
        }
        Op::Slice { start, len } => rearrangement::slice(&x, *start, *len, out),
        Op::Reshape => x.reshape(out.to_vec().into()),
    }
}
