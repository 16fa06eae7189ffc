//! The memory peak; see peak_copy.wgsl.

use super::{Binding, Dispatch, Kernel, MAX_WORKGROUPS, Variant};

const THREADS: usize = 256;

/// The most elements of one dispatch.
pub const MAX_ELEMENTS: usize = 4 * THREADS * MAX_WORKGROUPS;

/// `y = x` for `elements` elements, a multiple of 4 up to [`MAX_ELEMENTS`].
pub fn dispatch(elements: usize, [x, y]: [Binding; 2]) -> Dispatch {
    let quads = elements / 4;
    Dispatch {
        variant: Variant::of(Kernel::PeakCopy),
        bindings: vec![x, y],
        params: vec![quads as u32],
        workgroups: [quads.div_ceil(THREADS) as u32, 1, 1],
    }
}

/// The twin.
pub fn plain(x: &[f32]) -> Vec<f32> {
    x.to_vec()
}
