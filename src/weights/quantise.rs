//! Tensors to their stored forms; the inverse is [`super::dequantise`].

use super::storage::floats;
use super::{DType, TensorInfo};

/// Smaller tensors stay f32: they cost little, and the first and last layers, which are small, are the ones
/// that show rounding.
const MIN_ELEMENTS: usize = 4096;

/// The largest magnitude that int4 can hold: 7 times the largest f16.
#[cfg(feature = "native")]
pub const MOST_INT4: f32 = 7.0 * 65504.0;

/// Whether a tensor is a matrix or a convolution that is large enough to be rounded.
pub fn is_large(shape: &[usize], elements: usize) -> bool {
    shape.len() >= 2 && elements >= MIN_ELEMENTS
}

/// The stored form of a tensor, padded to a multiple of 4 bytes.
///
/// f16 rounds to nearest. int8 is symmetric with one scale a row (`|w − scale · q| ≤ scale / 2`, where `scale`
/// is the row's largest magnitude over 127). int4 has one a group, in f16: with the largest magnitude over 7 the same bound holds, but one
/// down to 0.7 of that is taken where it leaves a smaller sum of squared errors, and what is beyond 7 of it, or exceeds [`MOST_INT4`],
/// becomes that.
#[cfg(feature = "native")]
pub fn quantise(name: &str, shape: &[usize], values: &[f32], dtype: DType) -> (TensorInfo, Vec<u8>) {
    let info = TensorInfo { name: name.to_owned(), shape: shape.to_vec(), dtype };
    let stored = match dtype {
        DType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::F16 => {
            let halves = values.iter().flat_map(|&value| half::f16::from_f32(value).to_le_bytes());
            let mut stored: Vec<u8> = halves.collect();
            stored.resize(stored.len().next_multiple_of(4), 0);
            stored
        }
        DType::Int8 => {
            let row = (values.len() / info.rows().max(1)).max(1);
            int8(info.rows(), values.chunks(row).map(<[f32]>::to_vec))
        }
        DType::Int4 => int4(&info, values),
    };
    (info, stored)
}

/// The stored form as int8 of a tensor whose stored form as f32 or f16 is `stored`, [`TensorInfo::stored_bytes`] of it. Row
/// by row, so that no more is held as f32.
pub fn to_int8(info: &TensorInfo, stored: &[u8]) -> Vec<u8> {
    let elements = info.elements().unwrap_or(0) / info.rows().max(1);
    let row_bytes = (elements * if info.dtype == DType::F32 { 4 } else { 2 }).max(1);
    let rows = stored.chunks_exact(row_bytes).take(info.rows());
    int8(info.rows(), rows.map(|bytes| floats(info.dtype, bytes)))
}

/// The stored form as int8 of a tensor's `count` rows.
fn int8(count: usize, rows: impl Iterator<Item = Vec<f32>>) -> Vec<u8> {
    let mut stored = vec![0; 4 * count];
    for (index, row) in rows.enumerate() {
        let scale = row.iter().fold(0.0f32, |most, value| most.max(value.abs())) / 127.0;
        stored[4 * index..][..4].copy_from_slice(&scale.to_le_bytes());
        stored.extend(row.iter().map(|&value| {
            // A row of zeros has no scale to divide by; tiny scales round, so stay within the range.
            let steps = if scale > 0.0 { (value / scale).round_ties_even() } else { 0.0 };
            steps.clamp(-127.0, 127.0) as i8 as u8
        }));
    }
    stored.resize(stored.len().next_multiple_of(4), 0);
    stored
}

/// The stored form as int4 of a tensor.
#[cfg(feature = "native")]
fn int4(info: &TensorInfo, values: &[f32]) -> Vec<u8> {
    let row = values.len() / info.rows().max(1);
    let mut stored = Vec::new();
    let mut quantised = vec![0u8; values.len().div_ceil(2)];
    let mut at = 0;
    for group in values.chunks(row.max(1)).flat_map(|row| row.chunks(info.group_elements())) {
        let scale = int4_scale(group);
        stored.extend(scale.to_le_bytes());
        for &value in group {
            quantised[at / 2] |= (int4_steps(value, scale) as i8 as u8 & 15) << (at % 2 * 4);
            at += 1;
        }
    }
    stored.resize(stored.len().next_multiple_of(4), 0);
    stored.extend(quantised);
    stored.resize(stored.len().next_multiple_of(4), 0);
    stored
}

/// Which integer a value becomes. A group of zeros has no scale to divide by.
#[cfg(feature = "native")]
fn int4_steps(value: f32, scale: half::f16) -> f32 {
    let steps = if scale > half::f16::ZERO { (value / scale.to_f32()).round_ties_even() } else { 0.0 };
    steps.clamp(-7.0, 7.0)
}

/// Parts of the scale that reaches a group's largest magnitude. Cutting that one off often costs less than coarse steps for all others.
#[cfg(feature = "native")]
const INT4_SCALES: [f32; 7] = [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7];

/// That of them which leaves the smallest sum of squared errors; the largest of equals.
#[cfg(feature = "native")]
fn int4_scale(group: &[f32]) -> half::f16 {
    let reaching = int4_reaching(group);
    let squares = |scale: half::f16| -> f64 {
        let error = |&value: &f32| f64::from(int4_steps(value, scale) * scale.to_f32() - value).powi(2);
        group.iter().map(error).sum()
    };
    let scales = INT4_SCALES.map(|part| half::f16::from_f32(part * reaching.to_f32()));
    scales.into_iter().min_by(|&a, &b| squares(a).total_cmp(&squares(b))).unwrap_or(reaching)
}

/// The f16 nearest to a seventh of the largest magnitude; where f16 is so coarse that 7 of them would miss it by more than half of
/// one, the next.
#[cfg(feature = "native")]
fn int4_reaching(group: &[f32]) -> half::f16 {
    let most = group.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let scale = half::f16::from_f32(most / 7.0);
    let next = half::f16::from_bits(scale.to_bits() + u16::from(7.5 * scale.to_f32() < most));
    if next.is_finite() { next } else { half::f16::MAX }
}
