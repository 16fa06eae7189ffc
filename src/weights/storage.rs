//! How one tensor is stored in shards.
//!
//! A tensor is a run of bytes (its *stored form*), little-endian, elements in diffusers' order, padded with
//! zeros to a multiple of 4:
//!
//! - `f32`, `f16`: the elements.
//! - `int8`: `rows` f32 scales, then the elements as signed bytes in `-127..=127`. The rows of a tensor are
//!   its first axis (output channels, or entries of a table); `w[r, …] = scale[r] · q[r, …]`.
//! - `int4`: `rows · groups` f16 scales, padded to a multiple of 4, then the elements as signed nibbles in `-7..=7`, low
//!   nibble first. [`GROUP_CHANNELS`] consecutive channels of a row (its second axis) are a group, with all that a kernel has of them; the
//!   last group of a row may be shorter: `w[r, c, …] = scale[r, c / 32] · q[r, c, …]`. Element `i` of the tensor is in byte
//!   `i / 2`, whatever its row: a row of odd length ends in the middle of a byte.

use std::ops::Range;

/// Storage type of a tensor's elements. What it is computed in is another matter ([`crate::executor::Arithmetic`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    F32,
    F16,
    /// Symmetric, one scale a row.
    Int8,
    /// Symmetric, one scale a row and group of channels.
    Int4,
}

/// Channels of a row that share a scale of an int4 tensor.
pub const GROUP_CHANNELS: usize = 32;

impl DType {
    /// Bits of an element, scales apart.
    pub fn bits(self) -> u64 {
        match self {
            Self::F32 => 32,
            Self::F16 => 16,
            Self::Int8 => 8,
            Self::Int4 => 4,
        }
    }
}

/// Name, shape and storage of a tensor.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TensorInfo {
    /// The parameter's name in diffusers, such as `down_blocks.0.resnets.0.conv1.weight`.
    pub name: String,
    /// Extents, outermost first; `[]` is a scalar.
    pub shape: Vec<usize>,
    pub dtype: DType,
}

impl TensorInfo {
    /// Number of elements, or `None` if it exceeds the address space.
    pub fn elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |total, &extent| total.checked_mul(extent))
    }

    /// Extent of the first axis: the number of scales of an int8 tensor.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Scales that a row of an int4 tensor has.
    pub fn groups(&self) -> usize {
        self.channels().div_ceil(GROUP_CHANNELS)
    }

    /// Elements of a row that share a scale of an int4 tensor.
    pub fn group_elements(&self) -> usize {
        self.channels().min(GROUP_CHANNELS) * self.shape.iter().skip(2).product::<usize>()
    }

    fn channels(&self) -> usize {
        self.shape.get(1).copied().unwrap_or(1)
    }

    /// Bytes of the scales, with which the stored form begins, or `None` if they exceed the address space.
    pub fn scale_bytes(&self) -> Option<u64> {
        let rows = self.rows() as u64;
        match self.dtype {
            DType::F32 | DType::F16 => Some(0),
            DType::Int8 => rows.checked_mul(4),
            DType::Int4 => {
                rows.checked_mul(self.groups() as u64)?.checked_mul(2)?.checked_next_multiple_of(4)
            }
        }
    }

    /// Bytes of the stored form, or `None` if it exceeds the address space.
    pub fn stored_bytes(&self) -> Option<u64> {
        let elements = (self.elements()? as u64).checked_mul(self.dtype.bits())?.div_ceil(8);
        self.scale_bytes()?.checked_add(elements)?.checked_next_multiple_of(4)
    }
}

/// The elements of a stored form as f32. `stored` holds exactly [`TensorInfo::stored_bytes`] bytes.
pub fn dequantise(info: &TensorInfo, stored: &[u8]) -> Vec<f32> {
    let mut values = Vec::with_capacity(info.elements().unwrap_or(0));
    dequantise_rows(info, stored, 0..info.rows(), &mut values);
    values
}

/// Appends the elements of `rows` of a stored form, of the first axis, to `values`.
pub(crate) fn dequantise_rows(info: &TensorInfo, stored: &[u8], rows: Range<usize>, values: &mut Vec<f32>) {
    let row = info.elements().unwrap_or(0) / info.rows().max(1);
    let bytes_of = |element_bytes: usize| {
        let row_bytes = row * element_bytes;
        &stored[rows.start * row_bytes..rows.end * row_bytes]
    };
    match info.dtype {
        DType::F32 => extend_with_floats(values, DType::F32, bytes_of(4)),
        DType::F16 => extend_with_floats(values, DType::F16, bytes_of(2)),
        DType::Int8 => {
            let (scales, quantised) = stored.split_at(4 * info.rows());
            let scales = floats(DType::F32, &scales[4 * rows.start..4 * rows.end]);
            let quantised = &quantised[rows.start * row..rows.end * row];
            // Row by row, each of a known length: at once that would be a row of reallocations.
            for (bytes, scale) in quantised.chunks(row.max(1)).zip(scales) {
                values.extend(bytes.iter().map(|&byte| scale * f32::from(byte as i8)));
            }
        }
        DType::Int4 => {
            let (groups, group) = (info.groups(), info.group_elements());
            let (scales, quantised) = stored.split_at(info.scale_bytes().unwrap_or(0) as usize);
            let scales = floats(DType::F16, &scales[2 * groups * rows.start..2 * groups * rows.end]);
            for (index, scale) in scales.into_iter().enumerate() {
                let (start, within) = ((rows.start + index / groups) * row, index % groups * group);
                let elements = start + within..start + row.min(within + group);
                values.extend(elements.map(|at| {
                    // The nibble, brought to the high end of a byte and back with its sign.
                    let high = quantised[at / 2] << (4 - at % 2 * 4);
                    scale * f32::from(high as i8 >> 4)
                }));
            }
        }
    }
}

/// Elements that are stored one after the other: as f16 if `dtype` says so, else as f32.
pub(super) fn floats(dtype: DType, stored: &[u8]) -> Vec<f32> {
    let mut values = Vec::new();
    extend_with_floats(&mut values, dtype, stored);
    values
}

fn extend_with_floats(values: &mut Vec<f32>, dtype: DType, stored: &[u8]) {
    match dtype {
        DType::F16 => {
            let halves = stored.chunks_exact(2);
            values.extend(halves.map(|bytes| half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()));
        }
        _ => {
            let words = stored.chunks_exact(4);
            values.extend(words.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])));
        }
    }
}
