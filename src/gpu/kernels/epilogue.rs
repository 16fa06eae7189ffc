//! What `conv2d` and `linear` do after the sum of products; see epilogue.wgsl.

use super::{Binding, Variant, activation_code};
use crate::graph::Activation;
use crate::weights::DType;

/// The terms of `y = last(activation(sum + bias + added) + residual)`.
#[derive(Debug, Clone, Default)]
pub struct Epilogue {
    pub bias: Option<Binding>,
    /// A row `[O]` for each `added_rows` rows of `y`, such as the time embedding of a sample's pixels.
    pub added: Option<(Binding, usize)>,
    pub activation: Option<Activation>,
    pub residual: Option<Binding>,
    pub last: Option<Activation>,
}

impl Epilogue {
    /// Bits of the terms that are there.
    pub fn terms(&self) -> u32 {
        u32::from(self.bias.is_some())
            | u32::from(self.added.is_some()) << 1
            | u32::from(self.residual.is_some()) << 2
    }

    /// Rows of `y` that share a row of the added term.
    pub fn added_rows(&self) -> u32 {
        self.added.as_ref().map_or(1, |(_, rows)| *rows as u32)
    }

    /// Bindings 4, 5 and 6.
    pub fn bindings(&self) -> [Binding; 3] {
        let or_absent = |binding: Option<&Binding>| binding.cloned().unwrap_or(Binding::Absent);
        [
            or_absent(self.bias.as_ref()),
            or_absent(self.added.as_ref().map(|(binding, _)| binding)),
            or_absent(self.residual.as_ref()),
        ]
    }

    /// The parts of a variant that the epilogue decides.
    pub fn specialise(&self, variant: Variant, dtype: DType, outputs: usize) -> Variant {
        variant
            .dtype(dtype)
            .switch("OUTPUTS4", outputs.is_multiple_of(4))
            .constant("ACTIVATION", activation_code(self.activation))
            .constant("LAST_ACTIVATION", activation_code(self.last))
    }
}
