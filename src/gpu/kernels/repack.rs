//! Matrices from diffusers' layout to the kernels', once at load; see repack.wgsl.

use std::ops::Range;

use super::{Binding, Dispatch, Kernel, Variant, per_element};
use crate::weights::{DType, GROUP_CHANNELS};

/// A linear map or convolution as a matrix: `[O, C, taps]` stored, `[taps, C', O']` in kernel layout, with `C'`
/// and `O'` rounded up to multiples of 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatrixShape {
    pub outputs: usize,
    pub channels: usize,
    pub taps: usize,
    /// The outputs are numbers and then their gates, each a multiple of four; in kernel layout they come by turns, two of each.
    pub gated: bool,
}

impl MatrixShape {
    /// From the shape of a parameter, `[O, C]` or `[O, C, kh, kw]`.
    pub fn of(shape: &[usize]) -> Self {
        Self { outputs: shape[0], channels: shape[1], taps: shape[2..].iter().product(), gated: false }
    }

    /// What a row of the product has: half of the outputs where they are gated.
    pub fn results(&self) -> usize {
        if self.gated { self.outputs / 2 } else { self.outputs }
    }

    /// Outputs before the gates; 0 where there are none.
    fn half(&self) -> usize {
        if self.gated { self.outputs / 2 } else { 0 }
    }

    /// Units of four outputs along `O`.
    pub fn output_units(&self) -> usize {
        self.outputs.div_ceil(4)
    }

    /// Units in all.
    pub fn units(&self) -> usize {
        self.taps * self.channels.next_multiple_of(4) * self.output_units()
    }

    /// Bytes in kernel layout, scales apart.
    pub fn packed_bytes(&self, dtype: DType) -> u64 {
        dtype.bits() / 2 * self.units() as u64
    }

    /// Of the scales of such a matrix as int4: they are brought to kernel layout as a matrix of f16.
    pub fn scales(&self) -> Self {
        Self { channels: self.channels.div_ceil(GROUP_CHANNELS), taps: 1, ..*self }
    }
}

/// Moves `stored`, which holds exactly the rows of `shape`, to kernel layout.
pub fn dispatch(shape: MatrixShape, dtype: DType, stored: Binding, packed: Binding) -> Dispatch {
    dispatch_beside(shape, dtype, stored, packed, 0..shape.output_units(), shape.output_units())
}

/// The same into `units` of the `row_units` units that a row of `packed` has. For int4 these begin and end at even units, or are all.
pub fn dispatch_beside(
    shape: MatrixShape,
    dtype: DType,
    stored: Binding,
    packed: Binding,
    units: Range<usize>,
    row_units: usize,
) -> Dispatch {
    // A word has two units of int4.
    let threads = if dtype == DType::Int4 { shape.units() / 2 } else { shape.units() };
    let params = [threads, shape.outputs, shape.channels, shape.taps, units.start, row_units, shape.half()];
    Dispatch {
        variant: Variant::of(Kernel::Repack).dtype(dtype),
        bindings: vec![stored, packed],
        params: params.iter().map(|&value| value as u32).collect(),
        workgroups: per_element(threads),
    }
}

/// The twin, for f32: `[O, C, taps]` to `[taps, C', O']`.
pub fn plain(shape: MatrixShape, stored: &[f32]) -> Vec<f32> {
    let (columns, padded) = (4 * shape.output_units(), shape.channels.next_multiple_of(4));
    let mut packed = vec![0.0; 4 * shape.units()];
    for tap in 0..shape.taps {
        for channel in 0..shape.channels {
            for output in 0..shape.outputs {
                let column = match shape.half() {
                    0 => output,
                    half => output % half / 2 * 4 + output % 2 + output / half * 2,
                };
                packed[(tap * padded + channel) * columns + column] =
                    stored[(output * shape.channels + channel) * shape.taps + tap];
            }
        }
    }
    packed
}
