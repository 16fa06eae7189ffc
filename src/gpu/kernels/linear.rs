//! Linear maps of few rows; see linear.wgsl. Those of many rows are [`super::conv2d`]'s.

use super::conv2d::MatrixPiece;
use super::epilogue::Epilogue;
use super::repack::MatrixShape;
use super::{Binding, Dispatch, Kernel, Variant};
use crate::weights::DType;

/// Rows up to which this kernel is taken rather than the tiled product, whose tiles would be mostly empty.
pub const FEW_ROWS: usize = 8;

const ROWS: usize = 4;
const COLUMNS: usize = 16;
const LINES: usize = 8;

/// One dispatch for each piece of the weights.
pub fn dispatches(
    rows: usize,
    matrix: MatrixShape,
    dtype: DType,
    x: &Binding,
    pieces: &[MatrixPiece],
    epilogue: &Epilogue,
    y: &Binding,
) -> Vec<Dispatch> {
    let dispatch = |piece: &MatrixPiece| {
        let units = piece.shape.output_units();
        let mut bindings = vec![x.clone(), piece.packed.clone(), piece.scales.clone()];
        bindings.extend(epilogue.bindings());
        bindings.push(y.clone());
        let extents = [matrix.channels, matrix.results(), rows, piece.first_output, units];
        let mut params: Vec<u32> = extents.iter().map(|&extent| extent as u32).collect();
        params.push(epilogue.terms());
        params.extend(epilogue.added_params());
        params.push(0);
        Dispatch {
            variant: epilogue.specialise(Variant::of(Kernel::Linear), dtype, matrix),
            bindings,
            params,
            workgroups: [units.div_ceil(COLUMNS) as u32, rows.div_ceil(ROWS) as u32, 1],
        }
    };
    pieces.iter().map(dispatch).collect()
}

/// The twin: `packed` is in the layout of [`super::repack::plain`]. No epilogue.
pub fn plain(rows: usize, matrix: MatrixShape, x: &[f32], packed: &[f32]) -> Vec<f32> {
    let columns = 4 * matrix.output_units();
    let mut y = Vec::with_capacity(rows * matrix.outputs);
    for row in x.chunks(matrix.channels).take(rows) {
        for output in 0..matrix.outputs {
            let mut lines = [0.0f32; LINES];
            for (channel, value) in row.iter().enumerate() {
                lines[channel % LINES] += value * packed[channel * columns + output];
            }
            y.push(lines.iter().sum());
        }
    }
    y
}
