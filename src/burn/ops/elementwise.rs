//! Operations on one element at a time.

use burn_flex::FlexTensor;

use super::exponential::exp;
use super::{from_values, shape, values};
use crate::burn::tensor::values_mut;
use crate::graph::Activation;

/// [`crate::graph::Op::Activation`].
pub(super) fn activation(mut x: FlexTensor, activation: Activation) -> FlexTensor {
    let values = values_mut(&mut x);
    match activation {
        Activation::Silu => map(values, |x| x / (1.0 + exp(-x))),
        Activation::Gelu => map(values, gelu),
        // x · (1 + tanh(u)) / 2 = x · sigmoid(2u)
        Activation::GeluTanh => {
            let scale = -2.0 * (2.0 / std::f32::consts::PI).sqrt();
            map(values, |x| x / (1.0 + exp(scale * (x + 0.044_715 * x * x * x))));
        }
        Activation::QuickGelu => map(values, |x| x / (1.0 + exp(-1.702 * x))),
        Activation::Relu => map(values, |x| if x < 0.0 { 0.0 } else { x }),
        Activation::Tanh => map(values, libm::tanhf),
    }
    x
}

#[inline(always)]
fn map(values: &mut [f32], function: impl Fn(f32) -> f32) {
    for value in values {
        *value = function(*value);
    }
}

/// `x Φ(x)`, with `Φ(x) = erfc(-x / √2) / 2`.
///
/// erfc is formula 7.1.26 of Abramowitz & Stegun, Handbook of Mathematical Functions (1964), whose absolute
/// error is at most 1.5e-7, about the rounding of f32.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let series = 1.061_405_4;
    let series = series * t - 1.453_152_1;
    let series = series * t + 1.421_413_8;
    let series = series * t - 0.284_496_72;
    let series = series * t + 0.254_829_6;
    let half_erfc = 0.5 * series * t * exp(-z * z);
    x * if x < 0.0 { half_erfc } else { 1.0 - half_erfc }
}

/// `a · gelu(b)` for rows `a, b`; `out = [… , D]`.
pub(super) fn geglu(x: &FlexTensor, out: &[usize]) -> FlexTensor {
    let half = out.last().copied().unwrap_or(1);
    let mut y = vec![0.0; values(x).len() / 2];
    for (row, out) in values(x).chunks_exact(2 * half).zip(y.chunks_exact_mut(half)) {
        let (a, b) = row.split_at(half);
        for ((out, a), b) in out.iter_mut().zip(a).zip(b) {
            *out = a * gelu(*b);
        }
    }
    from_values(y, out)
}

/// `scale · x + shift`.
pub(super) fn affine(mut x: FlexTensor, scale: f32, shift: f32) -> FlexTensor {
    map(values_mut(&mut x), |x| scale * x + shift);
    x
}

/// `combine(x, y)`, where `combine` commutes and `y` repeats along its extents of 1.
pub(super) fn broadcast(x: FlexTensor, y: FlexTensor, combine: impl Fn(f32, f32) -> f32) -> FlexTensor {
    let same = shape(&x) == shape(&y);
    // Change in place the operand that nobody else needs.
    let (mut x, y) = if same && !x.is_unique() && y.is_unique() { (y, x) } else { (x, y) };
    let (extents, repeats) = (shape(&x).to_vec(), shape(&y).to_vec());

    // The longest run of trailing axes along which `y` is either all there or all repeated.
    let repeated = repeats.last().is_some_and(|&last| last == 1);
    let run_axes = extents
        .iter()
        .zip(&repeats)
        .rev()
        .take_while(|&(&extent, &repeat)| if repeated { repeat == 1 } else { repeat == extent })
        .count();
    let outer = extents.len() - run_axes;
    let run: usize = extents[outer..].iter().product();
    let from = values(&y);
    for (index, values) in values_mut(&mut x).chunks_exact_mut(run).enumerate() {
        let at = run_start(index, &extents, &repeats, outer);
        if repeated {
            let other = from[at];
            map(values, |value| combine(value, other));
        } else {
            for (value, other) in values.iter_mut().zip(&from[at..at + run]) {
                *value = combine(*value, *other);
            }
        }
    }
    x
}

/// Where in `y` the run with this index over the `outer` leading axes starts.
fn run_start(mut index: usize, extents: &[usize], repeats: &[usize], outer: usize) -> usize {
    let mut stride: usize = repeats[outer..].iter().product();
    let mut start = 0;
    for (&extent, &repeat) in extents[..outer].iter().zip(&repeats[..outer]).rev() {
        if repeat != 1 {
            start += index % extent * stride;
        }
        index /= extent;
        stride *= repeat;
    }
    start
}
