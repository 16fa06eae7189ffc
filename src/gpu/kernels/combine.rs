//! Linear combinations of tensors, the solvers' one kernel; see combine.wgsl.

use super::{Kernel, Variant, reduce};
use crate::executor::MAX_TERMS;

/// The slot of `out` itself.
pub const OUT_SLOT: usize = MAX_TERMS;

/// One term: which binding it reads, from which element, times what.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotTerm {
    pub slot: usize,
    pub offset: usize,
    pub coefficient: f32,
}

/// With or without the factor of [`Command::CombineRescaled`](crate::executor::Command).
pub fn variant(rescaled: bool) -> Variant {
    reduce::sized(Variant::of(Kernel::Combine).switch("RESCALED", rescaled), 64, 1)
}

/// The shader's `Params`, in words. At most [`MAX_TERMS`] terms.
pub fn params(len: usize, offset: usize, terms: &[SlotTerm], rescale: f32) -> Vec<u32> {
    let mut words = vec![len as u32, offset as u32, terms.len() as u32, rescale.to_bits()];
    for term in terms {
        words.extend([term.slot as u32, term.offset as u32, term.coefficient.to_bits(), 0]);
    }
    words.resize(4 + 4 * MAX_TERMS, 0);
    words
}

/// The twin.
pub fn plain(len: usize, terms: &[(f32, &[f32])]) -> Vec<f32> {
    (0..len)
        .map(|i| terms.iter().fold(0.0, |sum, (coefficient, values)| sum + coefficient * values[i]))
        .collect()
}
