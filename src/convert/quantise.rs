//! Tensors to their stored forms; the inverse is [`crate::weights::dequantise`].

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::weights::{DType, TensorInfo};

/// Smaller tensors stay f32: they cost little, and the first and last layers, which are small, are the ones
/// that show rounding.
const MIN_ELEMENTS: usize = 4096;
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
        let large = shape.len() >= 2 && values.len() >= MIN_ELEMENTS;
        let by_rule = if large { self.dtype } else { DType::F32 };
        let wanted = self.chosen.get(name).copied().unwrap_or(by_rule);
        let fits = wanted != DType::F16 || values.iter().all(|value| value.abs() <= MAX_F16);
        if fits { wanted } else { DType::F32 }
    }
}

/// The stored form of a tensor, padded to a multiple of 4 bytes.
///
/// f16 rounds to nearest. int8 is symmetric with one scale a row (`|w − scale · q| ≤ scale / 2`, where `scale`
/// is the row's largest magnitude over 127).
pub fn quantise(name: &str, shape: &[usize], values: &[f32], dtype: DType) -> (TensorInfo, Vec<u8>) {
    let info = TensorInfo { name: name.to_owned(), shape: shape.to_vec(), dtype };
    let mut stored: Vec<u8> = match dtype {
        DType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::F16 => values.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes()).collect(),
        DType::Int8 => {
            let row = (values.len() / info.rows().max(1)).max(1);
            let scale = |row: &[f32]| row.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0;
            let scales: Vec<f32> = values.chunks(row).map(scale).collect();
            let quantised = values.chunks(row).zip(&scales).flat_map(|(row, &scale)| {
                row.iter().map(move |&value| {
                    // A row of zeros has no scale to divide by; tiny scales round, so stay within the range.
                    let steps = if scale > 0.0 { (value / scale).round_ties_even() } else { 0.0 };
                    steps.clamp(-127.0, 127.0) as i8 as u8
                })
            });
            scales.iter().flat_map(|scale| scale.to_le_bytes()).chain(quantised).collect()
        }
    };
    stored.resize(stored.len().next_multiple_of(4), 0);
    (info, stored)
}
