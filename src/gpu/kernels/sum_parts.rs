//! The parts of long sums of products, added up; see sum_parts.wgsl.

use std::ops::Range;

use super::epilogue::Epilogue;
use super::repack::MatrixShape;
use super::{Binding, Dispatch, Kernel, Variant, per_element};
use crate::weights::DType;

/// Of a product whose `parts` lie one after the other in a binding.
#[derive(Debug, Clone)]
pub struct Parts {
    pub count: usize,
    pub binding: Binding,
}

impl Parts {
    /// Bytes of `count` parts of a product.
    pub fn bytes(count: usize, rows: usize, units: usize) -> u64 {
        (16 * count * rows * units) as u64
    }
}

/// Rows `rows` of the product, whose bindings of `y` and of the residual begin with them. `piece` is the product's matrix or some outputs
/// of it, from `first_output` on.
pub fn dispatch(
    parts: &Parts,
    rows: &Range<usize>,
    [whole, piece]: [MatrixShape; 2],
    first_output: usize,
    (dtype, scales): (DType, Binding),
    epilogue: &Epilogue,
    y: Binding,
) -> Dispatch {
    let units = piece.output_units();
    let params = [parts.count, rows.len(), whole.results(), units, first_output];
    let mut params: Vec<u32> = params.iter().map(|&value| value as u32).collect();
    params.push(epilogue.terms());
    params.extend(epilogue.added_params());
    params.push(rows.start as u32);
    let mut bindings = vec![parts.binding.clone(), Binding::Absent, scales];
    bindings.extend(epilogue.bindings());
    bindings.push(y);
    Dispatch {
        variant: epilogue.specialise(Variant::of(Kernel::SumParts), dtype, whole),
        bindings,
        params,
        workgroups: per_element(rows.len() * units),
    }
}

/// The twin. No epilogue.
pub fn plain(count: usize, parts: &[f32]) -> Vec<f32> {
    let size = parts.len() / count;
    (0..size).map(|at| parts[at..].iter().step_by(size).sum()).collect()
}
