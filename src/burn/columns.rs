//! Weights as columns: the layout that rows of pixels or features are multiplied by.
//!
//! A weight is stored as `[O, C, …]`, with `O` outputs, `C` inputs and perhaps the axes of a kernel in `…`. Its columns
//! are `[…, C, O]`: a matrix of `… · C` rows, one for each value of a patch, whose entries for all outputs lie
//! side by side.

use burn_flex::FlexTensor;

use super::tensor::{from_values, shape, values};

/// Outputs that are moved together: a cache line, so that lines are used up while they are in the cache.
const LINE: usize = 16;

/// `[O, C, …]` to `[…, C, O]`.
pub(super) fn columns_from_stored(stored: &FlexTensor) -> FlexTensor {
    let &[outputs, channels, ref kernel @ ..] = shape(stored) else {
        unreachable!("the graph's builder checked the rank")
    };
    let from = values(stored);
    let mut to = vec![0.0; from.len()];
    each_element(outputs, channels, kernel.iter().product(), |stored, column| to[column] = from[stored]);
    let columns: Vec<usize> = kernel.iter().copied().chain([channels, outputs]).collect();
    from_values(to, &columns)
}

/// `[…, C, O]` to `[O, C, …]`.
pub(super) fn stored_from_columns(columns: &FlexTensor) -> FlexTensor {
    let &[ref kernel @ .., channels, outputs] = shape(columns) else {
        unreachable!("columns have at least two axes")
    };
    let from = values(columns);
    let mut to = vec![0.0; from.len()];
    each_element(outputs, channels, kernel.iter().product(), |stored, column| to[stored] = from[column]);
    let stored: Vec<usize> = [outputs, channels].into_iter().chain(kernel.iter().copied()).collect();
    from_values(to, &stored)
}

/// Calls `visit(index in stored, index in columns)` for every element.
fn each_element(outputs: usize, channels: usize, positions: usize, mut visit: impl FnMut(usize, usize)) {
    for first in (0..outputs).step_by(LINE) {
        for within in 0..channels * positions {
            let (c, s) = (within / positions, within % positions);
            for o in first..outputs.min(first + LINE) {
                visit(o * channels * positions + within, (s * channels + c) * outputs + o);
            }
        }
    }
}
