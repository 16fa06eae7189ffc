//! Convolutions of 3 x 3 by Winograd's F(2 x 2, 3 x 3): 16 multiplications for four pixels, where a sum over taps takes 36. The
//! products are conv2d.wgsl's, with WINOGRAD; see winograd_weights.wgsl and winograd_output.wgsl for what comes before and after.

use std::ops::Range;

use super::conv2d::Conv2dShape;
use super::epilogue::Epilogue;
use super::repack::MatrixShape;
use super::{Binding, Dispatch, Kernel, Variant, per_element};
use crate::weights::DType;

/// Products, of a transformed tile's elements and as many transformed weights.
pub const PRODUCTS: usize = 16;

impl Conv2dShape {
    /// Tiles of 2 x 2 output pixels, which are all those of x or there are half of either side's more.
    pub fn tiles(&self) -> usize {
        self.batch * self.out_height.div_ceil(2) * self.out_width.div_ceil(2)
    }
}

/// Transforms the weights `stored`, once at load. They are of 3 x 3 taps and f32.
pub fn transform_weights(shape: MatrixShape, stored: Binding, transformed: Binding) -> Dispatch {
    Dispatch {
        variant: Variant::of(Kernel::WinogradWeights).dtype(DType::F32),
        bindings: vec![stored, transformed],
        params: vec![shape.outputs as u32, shape.channels as u32],
        workgroups: per_element(shape.channels * shape.output_units()),
    }
}

/// Bytes of transformed weights.
pub fn weight_bytes(shape: MatrixShape) -> u64 {
    (4 * PRODUCTS * shape.channels * shape.outputs) as u64
}

/// Makes the pixels of some tiles, from their products `m`. The bindings of `y` and of the residual begin with pixel `first_row`.
pub fn output(
    shape: &Conv2dShape,
    tiles: &Range<usize>,
    first_row: usize,
    epilogue: &Epilogue,
    m: Binding,
    y: Binding,
) -> Dispatch {
    let (count, units) = (tiles.len(), shape.matrix.output_units());
    let params = [count, tiles.start, shape.out_height, shape.out_width, shape.matrix.outputs, units, 0];
    let mut params: Vec<u32> = params.iter().map(|&value| value as u32).collect();
    params.push(epilogue.terms());
    params.extend(epilogue.added_params());
    params.push(first_row as u32);
    let mut bindings = vec![m, Binding::Absent, Binding::Absent];
    bindings.extend(epilogue.bindings());
    bindings.push(y);
    Dispatch {
        variant: epilogue.specialise(Variant::of(Kernel::WinogradOutput), DType::F32, shape.matrix),
        bindings,
        params,
        workgroups: per_element(count * units),
    }
}

/// The twin of the weights' transform: `[O, C, 3, 3]` to `[16, C, O]`.
pub fn plain_weights(shape: MatrixShape, stored: &[f32]) -> Vec<f32> {
    const G: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    let MatrixShape { outputs, channels, .. } = shape;
    let mut transformed = Vec::with_capacity(PRODUCTS * channels * outputs);
    for product in 0..PRODUCTS {
        let (line, column) = (G[product / 4], G[product % 4]);
        for channel in 0..channels {
            for output in 0..outputs {
                let taps = &stored[9 * (output * channels + channel)..][..9];
                let sum = (0..9).map(|tap| line[tap / 3] * column[tap % 3] * taps[tap]).sum::<f32>();
                transformed.push(sum);
            }
        }
    }
    transformed
}

/// The twin of the whole, without an epilogue.
pub fn plain(shape: &Conv2dShape, x: &[f32], weights: &[f32]) -> Vec<f32> {
    const B: [[f32; 4]; 4] =
        [[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 1.0, 0.0], [0.0, -1.0, 1.0, 0.0], [0.0, 1.0, 0.0, -1.0]];
    const A: [[f32; 4]; 2] = [[1.0, 1.0, 1.0, 0.0], [0.0, 1.0, -1.0, -1.0]];
    let MatrixShape { outputs, channels, .. } = shape.matrix;
    let (down, across) = (shape.out_height.div_ceil(2), shape.out_width.div_ceil(2));
    let halving = usize::from(shape.doubled);
    let mut y = vec![0.0; shape.rows() * outputs];
    for tile in 0..shape.tiles() {
        let (batch, line, column) = (tile / across / down, 2 * (tile / across % down), 2 * (tile % across));
        let seen = |i: usize, j: usize, channel: usize| {
            let (at_y, at_x) = ((line + i).wrapping_sub(1), (column + j).wrapping_sub(1));
            if at_y >= shape.height || at_x >= shape.width {
                return 0.0;
            }
            let line = batch * (shape.height >> halving) + (at_y >> halving);
            x[(line * (shape.width >> halving) + (at_x >> halving)) * channels + channel]
        };
        let mut sums = vec![0.0; PRODUCTS * outputs];
        for product in 0..PRODUCTS {
            for channel in 0..channels {
                let (of_lines, of_columns) = (B[product / 4], B[product % 4]);
                let pixels =
                    (0..16).map(|at| of_lines[at / 4] * of_columns[at % 4] * seen(at / 4, at % 4, channel));
                let transformed: f32 = pixels.sum();
                for output in 0..outputs {
                    sums[product * outputs + output] +=
                        transformed * weights[(product * channels + channel) * outputs + output];
                }
            }
        }
        for (i, of_lines) in A.iter().enumerate().filter(|(i, _)| line + i < shape.out_height) {
            for (j, of_columns) in A.iter().enumerate().filter(|(j, _)| column + j < shape.out_width) {
                let row = (batch * shape.out_height + line + i) * shape.out_width + column + j;
                for output in 0..outputs {
                    let element =
                        |at: usize| of_lines[at / 4] * of_columns[at % 4] * sums[at * outputs + output];
                    y[row * outputs + output] = (0..PRODUCTS).map(element).sum();
                }
            }
        }
    }
    y
}
