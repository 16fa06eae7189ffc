//! Activations, and scale and shift; see unary.wgsl. With neither it copies.

use super::{Binding, Dispatch, Kernel, Variant, activation_code, per_element};
use crate::graph::Activation;

/// `y = activation(scale · x + shift)` for `elements` elements.
pub fn dispatch(
    elements: usize,
    activation: Option<Activation>,
    [scale, shift]: [f32; 2],
    [x, y]: [Binding; 2],
) -> Dispatch {
    let quads = elements.div_ceil(4);
    Dispatch {
        variant: Variant::of(Kernel::Unary).constant("ACTIVATION", activation_code(activation)),
        bindings: vec![x, y],
        params: vec![quads as u32, scale.to_bits(), shift.to_bits()],
        workgroups: per_element(quads),
    }
}

/// The twin: activation.wgsl's formulas.
pub fn plain(activation: Option<Activation>, [scale, shift]: [f32; 2], x: &[f32]) -> Vec<f32> {
    x.iter().map(|value| activate(activation, scale * value + shift)).collect()
}

/// One activation in f32.
pub fn activate(activation: Option<Activation>, x: f32) -> f32 {
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).min(80.0).exp());
    match activation {
        None => x,
        Some(Activation::Silu) => x * sigmoid(x),
        Some(Activation::Gelu) => 0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2)),
        Some(Activation::GeluTanh) => {
            let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.clamp(-10.0, 10.0).tanh())
        }
        Some(Activation::QuickGelu) => x * sigmoid(1.702 * x),
        Some(Activation::Relu) => x.max(0.0),
        Some(Activation::Tanh) => x.clamp(-10.0, 10.0).tanh(),
    }
}

/// Abramowitz & Stegun 1964, 7.1.26.
fn erf(x: f32) -> f32 {
    const A: [f32; 5] = [0.254_829_6, -0.284_496_72, 1.421_413_8, -1.453_152, 1.061_405_4];
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = A.iter().rev().fold(0.0, |sum, coefficient| t * (coefficient + sum));
    (1.0 - p * (-a * a).max(-80.0).exp()).copysign(x)
}
