//! What `conv2d` and `linear` do after the sum of products; see epilogue.wgsl.

use super::repack::MatrixShape;
use super::{Binding, Strided, Variant, activation_code};
use crate::graph::Activation;
use crate::weights::DType;

/// The terms of `y = last(activation(sum + bias + added) + residual)`.
#[derive(Debug, Clone, Default)]
pub struct Epilogue {
    pub bias: Option<Binding>,
    /// Such as the time embedding of a sample's pixels.
    pub added: Option<Added>,
    pub activation: Option<Activation>,
    pub residual: Option<Binding>,
    pub last: Option<Activation>,
}

/// A row `[O]` for each `rows` rows of `y`.
#[derive(Debug, Clone)]
pub struct Added {
    pub row: Strided,
    pub rows: usize,
}

impl Epilogue {
    /// Bits of the terms that are there.
    pub fn terms(&self) -> u32 {
        u32::from(self.bias.is_some())
            | u32::from(self.added.is_some()) << 1
            | u32::from(self.residual.is_some()) << 2
    }

    /// Rows of `y` that share a row of the added term, where that begins, and how far its rows are apart.
    pub fn added_params(&self) -> [u32; 3] {
        let words = |Added { row, rows }: &Added| [*rows, row.first, row.stride].map(|word| word as u32);
        self.added.as_ref().map_or([1, 0, 0], words)
    }

    /// Bindings 4, 5 and 6.
    pub fn bindings(&self) -> [Binding; 3] {
        let or_absent = |binding: Option<&Binding>| binding.cloned().unwrap_or(Binding::Absent);
        [
            or_absent(self.bias.as_ref()),
            or_absent(self.added.as_ref().map(|added| &added.row.binding)),
            or_absent(self.residual.as_ref()),
        ]
    }

    /// The parts of a variant that the epilogue decides.
    pub fn specialise(&self, variant: Variant, dtype: DType, matrix: MatrixShape) -> Variant {
        let layout = match matrix.outputs.is_multiple_of(4) {
            _ if matrix.gated => "GATED",
            true => "OUTPUTS4",
            false => "ODD_OUTPUTS",
        };
        variant
            .dtype(dtype)
            .switch(layout, true)
            .constant("ACTIVATION", activation_code(self.activation))
            .constant("LAST_ACTIVATION", activation_code(self.last))
    }
}
