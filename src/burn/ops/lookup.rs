//! Embeddings: of ids by a table, of timesteps by sinusoids.

use burn_flex::FlexTensor;

use super::{from_values, shape, values};

/// Rows of `table [V, D]`; ids are rounded, and clamped into the table.
pub(super) fn embedding(ids: &FlexTensor, table: &FlexTensor, out: &[usize]) -> FlexTensor {
    let (rows, width) = (shape(table)[0], shape(table)[1]);
    let mut y = Vec::with_capacity(values(ids).len() * width);
    for &id in values(ids) {
        // The cast sends what is negative or NaN to 0.
        let row = (id.round() as usize).min(rows - 1);
        y.extend_from_slice(&values(table)[row * width..(row + 1) * width]);
    }
    from_values(y, out)
}

/// [`crate::graph::Op::TimestepEmbedding`]; angles are taken in f64, since a timestep reaches 1000.
pub(super) fn timestep_embedding(
    timesteps: &FlexTensor,
    dim: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
) -> FlexTensor {
    let half = dim / 2;
    let frequency = |i: usize| (-(10_000f64.ln()) * i as f64 / (half as f64 - freq_shift)).exp();
    let mut y = Vec::with_capacity(values(timesteps).len() * dim);
    for &timestep in values(timesteps) {
        let angles = || (0..half).map(|i| f64::from(timestep) * frequency(i));
        let sines = angles().map(|angle| angle.sin() as f32);
        let cosines = angles().map(|angle| angle.cos() as f32);
        if flip_sin_to_cos {
            y.extend(cosines.chain(sines));
        } else {
            y.extend(sines.chain(cosines));
        }
    }
    from_values(y, &[values(timesteps).len(), dim])
}
