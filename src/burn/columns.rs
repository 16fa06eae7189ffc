//! Weights as columns: the layout that rows of pixels or features are multiplied by.
//!
//! A weight is stored as `[O, C, …]`, with `O` outputs, `C` inputs and perhaps the axes of a kernel in `…`. Its columns
//! are `[…, C, O]`: a matrix of `… · C` rows, one for each value of a patch, whose entries for all outputs lie
//! side by side.

use std::ops::Range;

use burn_flex::FlexTensor;

use super::tensor::{from_values, shape, values};
use crate::weights::{TensorInfo, dequantise_rows};

/// Outputs that are moved together: a cache line, so that lines are used up while they are in the cache.
const LINE: usize = 16;

/// `[O, C, …]` to `[…, C, O]`.
pub(super) fn columns_from_stored(stored: &FlexTensor) -> FlexTensor {
    let shape = shape(stored);
    let row = shape[1..].iter().product::<usize>();
    columns(shape, |outputs, into| {
        into.extend_from_slice(&values(stored)[outputs.start * row..outputs.end * row]);
    })
}

/// The columns of a parameter from its stored form in a shard.
pub(super) fn columns_from_bytes(info: &TensorInfo, bytes: &[u8]) -> FlexTensor {
    columns(&info.shape, |outputs, into| dequantise_rows(info, bytes, outputs, into))
}

/// The columns of a weight of this shape; `append` gives all that is stored of some outputs.
fn columns(shape: &[usize], append: impl Fn(Range<usize>, &mut Vec<f32>)) -> FlexTensor {
    let &[outputs, channels, ref kernel @ ..] = shape else {
        unreachable!("the graph's builder checked the rank")
    };
    let positions = kernel.iter().product::<usize>();
    let row = channels * positions;
    let mut to = vec![0.0; outputs * row];
    let mut rows = Vec::with_capacity(LINE * row);
    for first in (0..outputs).step_by(LINE) {
        let last = outputs.min(first + LINE);
        rows.clear();
        append(first..last, &mut rows);
        for within in 0..row {
            let (c, s) = (within / positions, within % positions);
            let at = (s * channels + c) * outputs;
            let mut from = within;
            for value in &mut to[at + first..at + last] {
                *value = rows[from];
                from += row;
            }
        }
    }
    let columns: Vec<usize> = kernel.iter().copied().chain([channels, outputs]).collect();
    from_values(to, &columns)
}

/// `[…, C, O]` to `[O, C, …]`.
pub(super) fn stored_from_columns(columns: &FlexTensor) -> FlexTensor {
    let &[ref kernel @ .., channels, outputs] = shape(columns) else {
        unreachable!("columns have at least two axes")
    };
    let positions = kernel.iter().product::<usize>();
    let from = values(columns);
    let mut to = Vec::with_capacity(from.len());
    for output in 0..outputs {
        for within in 0..channels * positions {
            let (c, s) = (within / positions, within % positions);
            to.push(from[(s * channels + c) * outputs + output]);
        }
    }
    let stored: Vec<usize> = [outputs, channels].into_iter().chain(kernel.iter().copied()).collect();
    from_values(to, &stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{DType, dequantise, quantise};

    #[test]
    fn columns_are_the_same_from_any_storage_and_lead_back() {
        for shape in [vec![33, 5, 3, 2], vec![16, 7], vec![3, 1, 1, 1], vec![17, 67, 1, 3]] {
            let stored: Vec<f32> = (0..shape.iter().product()).map(|at: usize| (at as f32).sin()).collect();
            for dtype in [DType::F32, DType::F16, DType::Int8, DType::Int4] {
                let (info, bytes) = quantise("w", &shape, &stored, dtype);
                let expected = dequantise(&info, &bytes);
                let columns = columns_from_bytes(&info, &bytes);
                let (outputs, channels) = (shape[0], shape[1]);
                let positions = expected.len() / outputs / channels;
                for (at, value) in expected.iter().enumerate() {
                    let (o, c, s) = (at / channels / positions, at / positions % channels, at % positions);
                    assert_eq!(values(&columns)[(s * channels + c) * outputs + o], *value, "{shape:?} {at}");
                }
                let again = stored_from_columns(&columns);
                assert_eq!(values(&again), expected);
                assert_eq!(values(&columns_from_stored(&again)), values(&columns));
            }
        }
    }
}
