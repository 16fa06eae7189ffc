//! The gated activation of transformers' feed-forward layers; see geglu.wgsl.

use super::{Binding, Dispatch, Kernel, Variant, per_element, unary};
use crate::graph::Activation;

/// `rows` rows of `width` outputs. Bindings: `x, y`.
pub fn dispatch(rows: usize, width: usize, bindings: [Binding; 2]) -> Dispatch {
    let vectors = width.is_multiple_of(4);
    let width = if vectors { width / 4 } else { width };
    Dispatch {
        variant: Variant::of(Kernel::Geglu).switch("VECTORS", vectors),
        bindings: bindings.to_vec(),
        params: vec![(rows * width) as u32, width as u32],
        workgroups: per_element(rows * width),
    }
}

/// The twin.
pub fn plain(width: usize, x: &[f32]) -> Vec<f32> {
    let gelu = |value: f32| unary::activate(Some(Activation::Gelu), value);
    x.chunks(2 * width)
        .flat_map(|row| row[..width].iter().zip(&row[width..]).map(|(a, b)| a * gelu(*b)))
        .collect()
}
