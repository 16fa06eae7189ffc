//! Small parameters to f32, once at load; see unpack.wgsl.

use super::{Binding, Dispatch, Kernel, Variant, per_element};
use crate::weights::DType;

/// `rows` rows of `width` elements, of which `stored` holds those from `first_row` on; `y` has room for the whole tensor. `scales` is
/// absent except for int8.
pub fn dispatch(
    [first_row, rows, width]: [usize; 3],
    dtype: DType,
    [stored, y, scales]: [Binding; 3],
) -> Dispatch {
    Dispatch {
        variant: Variant::of(Kernel::Unpack).dtype(dtype),
        bindings: vec![stored, y, scales],
        params: vec![(rows * width) as u32, width as u32, first_row as u32],
        workgroups: per_element(rows * width),
    }
}

/// The twin, for int8.
pub fn plain(width: usize, stored: &[i8], scales: &[f32]) -> Vec<f32> {
    stored.iter().enumerate().map(|(i, &value)| f32::from(value) * scales[i / width]).collect()
}
