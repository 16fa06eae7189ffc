//! Rows of a table that stays as it is stored; see embedding.wgsl.

use super::{Binding, Dispatch, Kernel, Variant, per_element};
use crate::weights::DType;

/// Extents of a look-up in one piece of a table.
#[derive(Debug, Clone, Copy)]
pub struct EmbeddingShape {
    /// Number of ids.
    pub count: usize,
    pub width: usize,
    pub table_rows: usize,
    /// The rows that this piece holds.
    pub first_row: usize,
    pub rows: usize,
}

/// Bindings: `stored, ids, y, scales`, the last absent except for int8 and int4. Each piece of a table takes a dispatch and writes the rows of its ids.
pub fn dispatch(shape: &EmbeddingShape, dtype: DType, bindings: [Binding; 4]) -> Dispatch {
    let params = [shape.count, shape.width, shape.table_rows, shape.first_row, shape.rows];
    Dispatch {
        variant: Variant::of(Kernel::Embedding).dtype(dtype),
        bindings: bindings.to_vec(),
        params: params.iter().map(|&value| value as u32).collect(),
        workgroups: per_element(shape.count * shape.width),
    }
}

/// The twin, for f32: `table` holds the rows of the piece; `y` gets the rows of its ids.
pub fn plain(shape: &EmbeddingShape, ids: &[f32], table: &[f32], y: &mut [f32]) {
    for (id, out) in ids.iter().zip(y.chunks_mut(shape.width)) {
        let row = id.round().clamp(0.0, (shape.table_rows - 1) as f32) as usize;
        if (shape.first_row..shape.first_row + shape.rows).contains(&row) {
            let from = (row - shape.first_row) * shape.width;
            out.copy_from_slice(&table[from..from + shape.width]);
        }
    }
}
