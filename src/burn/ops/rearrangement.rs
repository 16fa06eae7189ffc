//! Operations that only move values.

use burn_flex::FlexTensor;

use super::{from_values, shape, values};

/// Nearest-neighbour resize of `x [B, H, W, C]` to `[B, height, width, C]`.
pub(super) fn upsample(x: &FlexTensor, height: usize, width: usize) -> FlexTensor {
    let &[batch, h, w, c] = shape(x) else { unreachable!("the graph's builder checked the rank") };
    let mut y = Vec::with_capacity(batch * height * width * c);
    for b in 0..batch {
        for i in 0..height {
            let row = &values(x)[(b * h + i * h / height) * w * c..][..w * c];
            for j in 0..width {
                y.extend_from_slice(&row[j * w / width * c..][..c]);
            }
        }
    }
    from_values(y, &[batch, height, width, c])
}

/// Operands side by side along the last axis.
pub(super) fn concat(parts: &[FlexTensor], out: &[usize]) -> FlexTensor {
    let rows = out[..out.len() - 1].iter().product();
    let mut y = Vec::with_capacity(out.iter().product());
    for row in 0..rows {
        for part in parts {
            let len = values(part).len() / rows;
            y.extend_from_slice(&values(part)[row * len..(row + 1) * len]);
        }
    }
    from_values(y, out)
}

/// `len` entries of the last axis from `start`.
pub(super) fn slice(x: &FlexTensor, start: usize, len: usize, out: &[usize]) -> FlexTensor {
    let width = shape(x).last().copied().unwrap_or(1);
    let mut y = Vec::with_capacity(values(x).len() / width * len);
    for row in values(x).chunks_exact(width) {
        y.extend_from_slice(&row[start..start + len]);
    }
    from_values(y, out)
}
