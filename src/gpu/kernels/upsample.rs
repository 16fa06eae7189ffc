//! Nearest-neighbour resize; see upsample.wgsl.

use std::ops::Range;

use super::{ALIGNED, Binding, Dispatch, Kernel, Variant, per_element};

/// The pixels of `x` that some pixels of `y` are taken from: whole lines, from an aligned pixel on.
pub fn pixels(x: [usize; 4], out: [usize; 4], out_pixels: &Range<usize>) -> Range<usize> {
    let line = |pixel: usize| pixel / out[2] / out[1] * x[1] + pixel / out[2] % out[1] * x[1] / out[1];
    line(out_pixels.start) * x[2] / ALIGNED * ALIGNED..(line(out_pixels.end - 1) + 1) * x[2]
}

/// From `x [B, H, W, C]` to pixels `out_pixels` of `y`, of shape `out`. Bindings: `x, y`, which begin at `first_pixel` and at
/// `out_pixels`.
pub fn dispatch(
    x: [usize; 4],
    out: [usize; 4],
    out_pixels: Range<usize>,
    first_pixel: usize,
    bindings: [Binding; 2],
) -> Dispatch {
    let vectors = x[3].is_multiple_of(4);
    let channels = if vectors { x[3] / 4 } else { x[3] };
    let count = out_pixels.len() * channels;
    let params = [count, channels, x[1], x[2], out[1], out[2], out_pixels.start, first_pixel];
    Dispatch {
        variant: Variant::of(Kernel::Upsample).switch("VECTORS", vectors),
        bindings: bindings.to_vec(),
        params: params.iter().map(|&value| value as u32).collect(),
        workgroups: per_element(count),
    }
}

/// The twin.
pub fn plain([_, height, width, channels]: [usize; 4], out: [usize; 4], x: &[f32]) -> Vec<f32> {
    let mut y = Vec::with_capacity(out.iter().product());
    for pixel in 0..out[0] * out[1] * out[2] {
        let column = pixel % out[2] * width / out[2];
        let row = pixel / out[2] % out[1] * height / out[1];
        let from = ((pixel / (out[1] * out[2]) * height + row) * width + column) * channels;
        y.extend_from_slice(&x[from..from + channels]);
    }
    y
}
