//! Operations that only move values.

use burn_tensor::module;
use burn_tensor::ops::{InterpolateMode, InterpolateOptions};

use super::convolution::{channels_first, channels_last};
use super::{Operation, only};

/// Nearest-neighbour resize.
pub fn upsample(height: usize, width: usize) -> Operation {
    Box::new(move |operands| {
        let options = InterpolateOptions::new(InterpolateMode::Nearest).with_output_size([height, width]);
        channels_last(module::interpolate(channels_first(only(operands)), options))
    })
}

/// `len` entries of the last axis from `start`.
pub fn slice(start: usize, len: usize) -> Operation {
    Box::new(move |operands| only(operands).narrow(3, start, len))
}

/// The same elements under another shape.
pub fn reshape(shape: [usize; 4]) -> Operation {
    Box::new(move |operands| only(operands).reshape(shape))
}
