//! Which storage type each tensor gets.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::weights::{DType, is_large};

/// The largest f16.
const MAX_F16: f32 = 65504.0;

/// The rule by which tensors get their storage types: matrices and convolutions of at least 4096 elements get
/// `dtype`, everything else is f32; but for tensors chosen by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    dtype: DType,
    chosen: BTreeMap<String, DType>,
}

impl Storage {
    /// Stores what is large as `dtype`.
    pub fn new(dtype: DType) -> Self {
        Self { dtype, chosen: BTreeMap::new() }
    }

    /// The same, but for the tensors of a JSON object `{"component/tensor": "f32" | "f16" | "int8"}`: those that
    /// rounding to `dtype` would hurt, say.
    ///
    /// Errors: [`Error::InvalidConfig`] if it is no such object.
    pub fn with_chosen(self, json: &str) -> Result<Self> {
        let chosen = serde_json::from_str(json).map_err(|error| Error::InvalidConfig {
            component: "storage".to_owned(),
            message: format!("must be an object from component/tensor to f32, f16 or int8: {error}"),
        })?;
        Ok(Self { chosen, ..self })
    }

    /// The tensors chosen by name, `component/tensor`.
    pub fn chosen(&self) -> impl Iterator<Item = &str> {
        self.chosen.keys().map(String::as_str)
    }

    /// The storage type of the tensor `component/tensor`. What f16 cannot hold is f32.
    pub fn dtype(&self, name: &str, shape: &[usize], values: &[f32]) -> DType {
        let by_rule = if is_large(shape, values.len()) { self.dtype } else { DType::F32 };
        let wanted = self.chosen.get(name).copied().unwrap_or(by_rule);
        let fits = wanted != DType::F16 || values.iter().all(|value| value.abs() <= MAX_F16);
        if fits { wanted } else { DType::F32 }
    }
}
