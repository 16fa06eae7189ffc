//! Tensors to their stored forms; the inverse is [`crate::weights::dequantise`].

use crate::weights::{DType, TensorInfo};

/// Smaller tensors stay f32: they cost little, and the first and last layers, which are small, are the ones
/// that show rounding.
const MIN_ELEMENTS: usize = 4096;
/// The largest f16.
const MAX_F16: f32 = 65504.0;

/// The rule by which tensors get their storage types: matrices and convolutions of at least 4096 elements get
/// `dtype`, everything else is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storage {
    dtype: DType,
}

impl Storage {
    /// Stores what is large as `dtype`.
    pub fn new(dtype: DType) -> Self {
        Self { dtype }
    }

    /// The storage type of one tensor.
    pub fn dtype(self, shape: &[usize], values: &[f32]) -> DType {
        let large = shape.len() >= 2 && values.len() >= MIN_ELEMENTS;
        let fits = self.dtype != DType::F16 || values.iter().all(|value| value.abs() <= MAX_F16);
        if large && fits { self.dtype } else { DType::F32 }
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
