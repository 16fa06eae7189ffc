//! Small parameters to f32, once at load; see unpack.wgsl.

use super::{Binding, Dispatch, Kernel, Variant, per_element};
use crate::weights::DType;

/// `rows` rows of `width` elements, of which `stored` holds those from `first_row` on; `y` has room for the whole tensor. `scales` is
/// absent except for int8 and int4, of which `group` elements share one.
pub fn dispatch(
    [first_row, rows, width]: [usize; 3],
    dtype: DType,
    group: usize,
    [stored, y, scales]: [Binding; 3],
) -> Dispatch {
    Dispatch {
        variant: Variant::of(Kernel::Unpack).dtype(dtype),
        bindings: vec![stored, y, scales],
        params: [rows * width, width, first_row, group].map(|value| value as u32).to_vec(),
        workgroups: per_element(rows * width),
    }
}

/// The twin, for int8.
pub fn plain(width: usize, stored: &[i8], scales: &[f32]) -> Vec<f32> {
    stored.iter().enumerate().map(|(i, &value)| f32::from(value) * scales[i / width]).collect()
}

/// The twin, for int4: two elements a byte, and a scale for each `group` of a row.
pub fn plain_nibbles([width, group]: [usize; 2], stored: &[u8], scales: &[f32]) -> Vec<f32> {
    let groups = width.div_ceil(group);
    let value = |i: usize| {
        let nibble = (stored[i / 2] << (4 - i % 2 * 4)) as i8 >> 4;
        f32::from(nibble) * scales[i / width * groups + i % width / group]
    };
    (0..scales.len() / groups * width).map(value).collect()
}
