//! The parts of long sums of products, added up; see sum_parts.wgsl.

use super::conv2d::{MatrixPiece, Product};
use super::epilogue::Epilogue;
use super::{Binding, Dispatch, Kernel, Variant, per_element};
use crate::weights::DType;

/// Sums of products, each in `count` parts of `length` inputs: `[count, M, O]`.
#[derive(Debug, Clone)]
pub struct Parts {
    pub count: usize,
    pub length: usize,
    pub binding: Binding,
}

/// Parts that whoever reads the sums adds up, and what follows the sums.
#[derive(Debug, Clone)]
pub struct Unsummed {
    pub parts: Parts,
    pub epilogue: Epilogue,
}

impl Parts {
    /// Bytes of `count` parts of sums for `rows` rows and `units` units of four outputs.
    pub fn bytes(count: usize, rows: usize, units: usize) -> u64 {
        (16 * count * rows * units) as u64
    }
}

/// The sums of a piece, and what follows them.
pub fn dispatch(product: &Product, piece: &MatrixPiece, parts: &Parts) -> Dispatch {
    let Product { shape, dtype, epilogue, run, .. } = product;
    let (rows, units) = (run.rows.len(), piece.shape.output_units());
    let params = [parts.count, rows, shape.matrix.results(), units, piece.first_output];
    let mut params: Vec<u32> = params.iter().map(|&value| value as u32).collect();
    params.push(epilogue.terms());
    params.extend(epilogue.added_params());
    params.push(run.rows.start as u32);
    // Those of int4 are in the sums already.
    let scales = if *dtype == DType::Int4 { Binding::Absent } else { piece.scales.clone() };
    let mut bindings = vec![parts.binding.clone(), Binding::Absent, scales];
    bindings.extend(epilogue.bindings());
    bindings.push(product.y.clone());
    Dispatch {
        variant: epilogue.specialise(Variant::of(Kernel::SumParts), *dtype, shape.matrix),
        bindings,
        params,
        workgroups: per_element(rows * units),
    }
}

/// The twin. No epilogue.
pub fn plain(count: usize, parts: &[f32]) -> Vec<f32> {
    let size = parts.len() / count;
    (0..size).map(|at| parts[at..].iter().step_by(size).sum()).collect()
}
