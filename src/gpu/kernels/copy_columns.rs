//! Columns of one matrix into another: concatenation and slices; see copy_columns.wgsl.

use super::{Binding, Dispatch, Kernel, Variant, per_element};

/// Columns `from_column ..` of `x`, `len` of them, to columns `to_column ..` of `y`.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    pub rows: usize,
    pub len: usize,
    pub x_width: usize,
    pub y_width: usize,
    pub from_column: usize,
    pub to_column: usize,
}

/// Bindings: `x, y`.
pub fn dispatch(columns: &Columns, bindings: [Binding; 2]) -> Dispatch {
    let Columns { rows, len, x_width, y_width, from_column, to_column } = *columns;
    let counts = [len, x_width, y_width, from_column, to_column];
    let vectors = counts.iter().all(|count| count.is_multiple_of(4));
    let element = if vectors { 4 } else { 1 };
    let mut params = vec![(rows * len / element) as u32];
    params.extend(counts.iter().map(|count| (count / element) as u32));
    Dispatch {
        variant: Variant::of(Kernel::CopyColumns).switch("VECTORS", vectors),
        bindings: bindings.to_vec(),
        params,
        workgroups: per_element(rows * len / element),
    }
}

/// The twin.
pub fn plain(columns: &Columns, x: &[f32], y: &mut [f32]) {
    for row in 0..columns.rows {
        let from = row * columns.x_width + columns.from_column;
        let to = row * columns.y_width + columns.to_column;
        y[to..to + columns.len].copy_from_slice(&x[from..from + columns.len]);
    }
}
