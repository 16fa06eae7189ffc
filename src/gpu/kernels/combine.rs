//! Linear combinations of tensors, the solvers' one kernel; see combine.wgsl.

use super::{Kernel, Variant, per_element};
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

/// The one variant there is.
pub fn variant() -> Variant {
    Variant::of(Kernel::Combine)
}

/// The shader's `Params`, in words. At most [`MAX_TERMS`] terms.
pub fn params(len: usize, offset: usize, terms: &[SlotTerm]) -> Vec<u32> {
    let mut words = vec![len as u32, offset as u32, terms.len() as u32, 0];
    for term in terms {
        words.extend([term.slot as u32, term.offset as u32, term.coefficient.to_bits(), 0]);
    }
    words.resize(4 + 4 * MAX_TERMS, 0);
    words
}

/// Workgroups for `len` elements.
pub fn workgroups(len: usize) -> [u32; 3] {
    per_element(len)
}

/// The twin.
pub fn plain(len: usize, terms: &[(f32, &[f32])]) -> Vec<f32> {
    (0..len)
        .map(|i| terms.iter().fold(0.0, |sum, (coefficient, values)| sum + coefficient * values[i]))
        .collect()
}
