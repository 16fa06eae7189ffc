//! The f64 reference: every operation as its definition reads, one loop at a time.
//!
//! Slow on purpose. Tests compare each executor with it.

use std::collections::HashMap;

use super::{Activation, Graph, Node, Op, Shape};
use crate::error::{Error, Result};

/// A dense array, last axis fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    pub shape: Shape,
    pub data: Vec<f64>,
}

impl Array {
    /// An array of `shape` around `data`; their sizes must agree.
    pub fn new(shape: &[usize], data: Vec<f64>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "array data must fill its shape");
        Self { shape: shape.to_vec(), data }
    }

    fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    fn last(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }
}

/// Evaluates `graph` with inputs and parameters given by name; returns its outputs by name.
pub fn interpret(graph: &Graph, values: &HashMap<String, Array>) -> Result<HashMap<String, Array>> {
    let mut results: Vec<Array> = Vec::with_capacity(graph.nodes().len());
    for node in graph.nodes() {
        let operands: Vec<&Array> = node.operands.iter().map(|value| &results[value.index()]).collect();
        let result = match &node.op {
            Op::Input { name } | Op::Parameter { name } => named(values, name, &node.shape)?,
            _ => evaluate(node, &operands),
        };
        results.push(result);
    }
    Ok(graph.outputs().map(|(name, value)| (name.to_owned(), results[value.index()].clone())).collect())
}

fn named(values: &HashMap<String, Array>, name: &str, shape: &[usize]) -> Result<Array> {
    let array = values.get(name).ok_or_else(|| Error::MissingTensor { tensor: name.to_owned() })?;
    if array.shape != shape {
        return Err(Error::TensorShape {
            tensor: name.to_owned(),
            expected: shape.to_vec(),
            actual: array.shape.clone(),
        });
    }
    Ok(array.clone())
}

fn evaluate(node: &Node, operands: &[&Array]) -> Array {
    let x = operands[0];
    let mut y = Array::zeros(&node.shape);
    match &node.op {
        Op::Input { .. } | Op::Parameter { .. } => unreachable!("given by name"),
        Op::Linear => linear(x, operands[1], operands.get(2).copied(), &mut y),
        Op::Conv2d { stride, padding } => {
            conv2d(x, operands[1], operands.get(2).copied(), *stride, *padding, &mut y);
        }
        Op::GroupNorm { groups, eps } => group_norm(x, operands[1], operands[2], *groups, *eps, &mut y),
        Op::LayerNorm { eps } => layer_norm(x, operands[1], operands[2], *eps, &mut y),
        Op::Activation(activation) => {
            y.data = x.data.iter().map(|&value| activate(*activation, value)).collect();
        }
        Op::Add => broadcast(x, operands[1], &mut y, |a, b| a + b),
        Op::Multiply => broadcast(x, operands[1], &mut y, |a, b| a * b),
        Op::Affine { scale, shift } => {
            y.data = x.data.iter().map(|value| scale * value + shift).collect();
        }
        Op::Geglu => {
            let half = y.last();
            for (row, out) in x.data.chunks(2 * half).zip(y.data.chunks_mut(half)) {
                for i in 0..half {
                    out[i] = row[i] * activate(Activation::Gelu, row[half + i]);
                }
            }
        }
        Op::Attention { heads, scale, causal } => {
            attention(x, operands[1], operands[2], *heads, *scale, *causal, &mut y);
        }
        Op::Embedding => {
            let (rows, width) = (operands[1].shape[0], operands[1].shape[1]);
            for (id, out) in x.data.iter().zip(y.data.chunks_mut(width)) {
                let row = (id.round().max(0.0) as usize).min(rows - 1);
                out.copy_from_slice(&operands[1].data[row * width..(row + 1) * width]);
            }
        }
        Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
            let half = dim / 2;
            for (t, out) in x.data.iter().zip(y.data.chunks_mut(*dim)) {
                for i in 0..half {
                    let angle = t * (-(10000f64.ln()) * i as f64 / (half as f64 - freq_shift)).exp();
                    let (sine, cosine) = if *flip_sin_to_cos { (half + i, i) } else { (i, half + i) };
                    out[sine] = angle.sin();
                    out[cosine] = angle.cos();
                }
            }
        }
        Op::Upsample { height, width } => {
            let (h, w, c) = (x.shape[1], x.shape[2], x.shape[3]);
            for (index, out) in y.data.chunks_mut(c).enumerate() {
                let (b, i, j) = (index / (height * width), index / width % height, index % width);
                let from = ((b * h + i * h / height) * w + j * w / width) * c;
                out.copy_from_slice(&x.data[from..from + c]);
            }
        }
        Op::Concat => {
            let total = y.last();
            for (row, out) in y.data.chunks_mut(total).enumerate() {
                let mut start = 0;
                for part in operands {
                    let len = part.last();
                    out[start..start + len].copy_from_slice(&part.data[row * len..(row + 1) * len]);
                    start += len;
                }
            }
        }
        Op::Slice { start, len } => {
            for (row, out) in x.data.chunks(x.last()).zip(y.data.chunks_mut(*len)) {
                out.copy_from_slice(&row[*start..start + len]);
            }
        }
        Op::Reshape => y.data.clone_from(&x.data),
    }
    y
}

fn linear(x: &Array, weight: &Array, bias: Option<&Array>, y: &mut Array) {
    let (outputs, inputs) = (weight.shape[0], weight.shape[1]);
    for (row, out) in x.data.chunks(inputs).zip(y.data.chunks_mut(outputs)) {
        for (n, value) in out.iter_mut().enumerate() {
            let weights = &weight.data[n * inputs..(n + 1) * inputs];
            let sum: f64 = row.iter().zip(weights).map(|(a, b)| a * b).sum();
            *value = sum + bias.map_or(0.0, |bias| bias.data[n]);
        }
    }
}

fn conv2d(
    x: &Array,
    weight: &Array,
    bias: Option<&Array>,
    stride: usize,
    [top, left, _, _]: [usize; 4],
    y: &mut Array,
) {
    let (h, w, c) = (x.shape[1], x.shape[2], x.shape[3]);
    let (kh, kw) = (weight.shape[2], weight.shape[3]);
    let (oh, ow, o) = (y.shape[1], y.shape[2], y.shape[3]);
    for (index, out) in y.data.chunks_mut(o).enumerate() {
        let (b, i, j) = (index / (oh * ow), index / ow % oh, index % ow);
        for (n, value) in out.iter_mut().enumerate() {
            let mut sum = bias.map_or(0.0, |bias| bias.data[n]);
            for ki in 0..kh {
                for kj in 0..kw {
                    let (row, column) =
                        ((i * stride + ki).wrapping_sub(top), (j * stride + kj).wrapping_sub(left));
                    if row >= h || column >= w {
                        continue;
                    }
                    let from = ((b * h + row) * w + column) * c;
                    for k in 0..c {
                        sum += x.data[from + k] * weight.data[((n * c + k) * kh + ki) * kw + kj];
                    }
                }
            }
            *value = sum;
        }
    }
}

fn group_norm(x: &Array, gamma: &Array, beta: &Array, groups: usize, eps: f64, y: &mut Array) {
    let channels = x.last();
    let width = channels / groups;
    let sample = x.data.len() / x.shape[0];
    for start in (0..x.data.len()).step_by(sample) {
        for group in 0..groups {
            let members: Vec<usize> = (start..start + sample)
                .step_by(channels)
                .flat_map(|pixel| pixel + group * width..pixel + (group + 1) * width)
                .collect();
            normalise(x, &members, eps, y, |index| {
                (gamma.data[index % channels], beta.data[index % channels])
            });
        }
    }
}

fn layer_norm(x: &Array, gamma: &Array, beta: &Array, eps: f64, y: &mut Array) {
    let width = x.last();
    for start in (0..x.data.len()).step_by(width) {
        let members: Vec<usize> = (start..start + width).collect();
        normalise(x, &members, eps, y, |index| (gamma.data[index % width], beta.data[index % width]));
    }
}

fn normalise(
    x: &Array,
    members: &[usize],
    eps: f64,
    y: &mut Array,
    scale_shift: impl Fn(usize) -> (f64, f64),
) {
    let count = members.len() as f64;
    let mean = members.iter().map(|&index| x.data[index]).sum::<f64>() / count;
    let variance = members.iter().map(|&index| (x.data[index] - mean).powi(2)).sum::<f64>() / count;
    for &index in members {
        let (scale, shift) = scale_shift(index);
        y.data[index] = (x.data[index] - mean) / (variance + eps).sqrt() * scale + shift;
    }
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
        Activation::Relu => x.max(0.0),
        Activation::Tanh => x.tanh(),
    }
}

fn broadcast(x: &Array, other: &Array, y: &mut Array, combine: impl Fn(f64, f64) -> f64) {
    for (index, out) in y.data.iter_mut().enumerate() {
        let (mut rest, mut from, mut stride) = (index, 0, 1);
        for (&extent, &repeated) in x.shape.iter().zip(&other.shape).rev() {
            if repeated != 1 {
                from += rest % extent * stride;
            }
            rest /= extent;
            stride *= repeated;
        }
        *out = combine(x.data[index], other.data[from]);
    }
}

fn attention(q: &Array, k: &Array, v: &Array, heads: usize, scale: f64, causal: bool, y: &mut Array) {
    let (batch, queries, width) = (q.shape[0], q.shape[1], q.shape[2]);
    let (keys, size) = (k.shape[1], width / heads);
    for b in 0..batch {
        for head in 0..heads {
            for i in 0..queries {
                let visible = if causal { i + 1 } else { keys };
                let row = |array: &Array, length: usize, at: usize| {
                    let start = (b * length + at) * width + head * size;
                    array.data[start..start + size].to_vec()
                };
                let query = row(q, queries, i);
                let scores: Vec<f64> = (0..visible)
                    .map(|j| scale * query.iter().zip(row(k, keys, j)).map(|(a, b)| a * b).sum::<f64>())
                    .collect();
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let weights: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
                let total: f64 = weights.iter().sum();
                let out = (b * queries + i) * width + head * size;
                for (j, weight) in weights.iter().enumerate() {
                    for (d, value) in row(v, keys, j).iter().enumerate() {
                        y.data[out + d] += weight / total * value;
                    }
                }
            }
        }
    }
}
