//! Layer normalisation; see layer_norm.wgsl.

use super::unit::Unit;
use super::{Binding, Dispatch, Kernel, Variant, activation_code, folded, reduce};
use crate::graph::Activation;

/// Threads of a row, and rows of a workgroup.
const LANES: usize = 16;
const LINES: usize = 4;

/// Normalises `rows` rows of `width`. Bindings: `x, gamma, beta, y`.
pub fn dispatch(
    rows: usize,
    width: usize,
    eps: f32,
    activation: Option<Activation>,
    bindings: [Binding; 4],
) -> Dispatch {
    let unit = Unit::of([width]);
    Dispatch {
        variant: reduce::sized(Variant::of(Kernel::LayerNorm), LANES, LINES)
            .switch(unit.switch(), true)
            .constant("ACTIVATION", activation_code(activation)),
        bindings: bindings.to_vec(),
        params: vec![rows as u32, (width / unit.channels()) as u32, eps.to_bits()],
        workgroups: folded(rows.div_ceil(LINES)),
    }
}

/// The twin, without activation.
pub fn plain(width: usize, eps: f32, x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(width) {
        let mean = row.iter().sum::<f32>() / width as f32;
        let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / width as f32;
        let scale = 1.0 / (variance + eps).sqrt();
        y.extend(row.iter().enumerate().map(|(i, value)| (value - mean) * scale * gamma[i] + beta[i]));
    }
    y
}
