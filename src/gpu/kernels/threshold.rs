//! Dynamic thresholding; see threshold.wgsl.

use super::{Kernel, Variant};
use crate::solver::Thresholding;

/// There is one.
pub fn variant() -> Variant {
    Variant::of(Kernel::Threshold)
}

/// The shader's `Params`, in words. `len` is not 0.
pub fn params(len: usize, thresholding: Thresholding) -> Vec<u32> {
    let (rank, part) = thresholding.rank(len);
    vec![len as u32, rank as u32, (part as f32).to_bits(), (thresholding.sample_max_value as f32).to_bits()]
}
