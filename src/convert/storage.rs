//! Which storage type each tensor gets.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::weights::{DType, MOST_INT4, is_large};

/// The largest f16.
const MAX_F16: f32 = 65504.0;

/// Smaller tensors of the UNet become int8 where it is int4: they cost little, and among them are the first and last layers, which
/// show rounding the most.
const MIN_ELEMENTS_INT4: usize = 16384;

/// The rule by which tensors get their storage types: matrices and convolutions of at least 4096 elements get
/// `dtype`, everything else is f32; but for tensors chosen by name. int4 is for those of the UNet that have at least 16384, others get
/// int8 then.
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

    /// The same, but for the tensors of a JSON object `{"component/tensor": "f32" | "f16" | "int8" | "int4"}`: those
    /// that rounding to `dtype` would hurt, say.
    ///
    /// Errors: [`Error::InvalidConfig`] if it is no such object.
    pub fn with_chosen(self, json: &str) -> Result<Self> {
        let chosen = serde_json::from_str(json).map_err(|error| Error::InvalidConfig {
            component: "storage".to_owned(),
            message: format!("must be an object from component/tensor to f32, f16, int8 or int4: {error}"),
        })?;
        Ok(Self { chosen, ..self })
    }

    /// The tensors chosen by name, `component/tensor`.
    pub fn chosen(&self) -> impl Iterator<Item = &str> {
        self.chosen.keys().map(String::as_str)
    }

    /// The storage type of the tensor `component/tensor`. What f16 cannot hold, or int4, is f32.
    pub fn dtype(&self, name: &str, shape: &[usize], values: &[f32]) -> DType {
        let by_rule = match self.dtype {
            _ if !is_large(shape, values.len()) => DType::F32,
            DType::Int4 if !name.starts_with("unet/") || values.len() < MIN_ELEMENTS_INT4 => DType::Int8,
            dtype => dtype,
        };
        let wanted = self.chosen.get(name).copied().unwrap_or(by_rule);
        let most = match wanted {
            DType::F16 => MAX_F16,
            DType::Int4 => MOST_INT4,
            DType::F32 | DType::Int8 => f32::INFINITY,
        };
        if values.iter().all(|value| value.abs() <= most) { wanted } else { DType::F32 }
    }
}
