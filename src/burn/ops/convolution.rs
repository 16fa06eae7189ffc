//! Convolution as a matrix product of patches with columns of weights.
//!
//! `B` batch, `H W` height and width, `C` channels in, `O` out, `kh kw` the kernel. A patch is the
//! `kh · kw · C` values that one output pixel sees. Channels come last, so a patch is `kh` runs of
//! `kw · C` neighbouring values, and gathering it costs little beside multiplying it `O` times.

use burn_flex::FlexTensor;

use super::product::{add_bias, linear, product};
use super::{from_values, shape, values};
use crate::burn::tensor::{matrix, values_mut};

/// Most values gathered at once: patches for about as many pixels as stay in a processor's cache.
const GATHERED: usize = 128 * 1024;

/// Fewest pixels a product is made for, since each product reads all the weights.
const FEWEST_PIXELS: usize = 64;

/// `x [B, H, W, C]`, `columns [kh, kw, C, O]`, `bias [O]`; gives `out = [B, H', W', O]`.
pub(super) fn conv2d(
    x: &FlexTensor,
    columns: &FlexTensor,
    bias: Option<&FlexTensor>,
    stride: usize,
    padding: [usize; 4],
    out: &[usize],
) -> FlexTensor {
    let (kernel, outputs) = (&shape(columns)[..2], out[3]);
    if kernel == [1, 1] && stride == 1 && padding == [0; 4] {
        return linear(x, columns, bias, out);
    }
    let patches = Patches {
        image: [shape(x)[1], shape(x)[2]],
        channels: shape(x)[3],
        kernel: [kernel[0], kernel[1]],
        stride,
        top_left: [padding[0], padding[1]],
        out: [out[1], out[2]],
    };
    let (len, pixels) = (patches.len(), out[0] * out[1] * out[2]);
    let columns = matrix(columns, 0, [len, outputs], [outputs, 1]);
    let block = (GATHERED / len).max(FEWEST_PIXELS).min(pixels);
    let mut gathered = from_values(vec![0.0; block * len], &[block, len]);
    let mut y = Vec::with_capacity(if block < pixels { pixels * outputs } else { 0 });
    for first in (0..pixels).step_by(block) {
        let count = block.min(pixels - first);
        for (index, patch) in values_mut(&mut gathered).chunks_exact_mut(len).take(count).enumerate() {
            patches.gather(values(x), first + index, patch);
        }
        let mut rows = product(matrix(&gathered, 0, [count, len], [len, 1]), columns.clone());
        add_bias(&mut rows, bias);
        if block == pixels {
            return rows.reshape(out.to_vec().into());
        }
        y.extend_from_slice(values(&rows));
    }
    from_values(y, out)
}

/// Where patches lie in a picture. Pairs are vertical, horizontal.
struct Patches {
    image: [usize; 2],
    channels: usize,
    kernel: [usize; 2],
    stride: usize,
    top_left: [usize; 2],
    out: [usize; 2],
}

impl Patches {
    fn len(&self) -> usize {
        self.kernel[0] * self.kernel[1] * self.channels
    }

    /// Copies the patch of output pixel `pixel`, counted over the whole batch; zeros lie outside the picture.
    fn gather(&self, x: &[f32], pixel: usize, patch: &mut [f32]) {
        let ([height, width], channels) = (self.image, self.channels);
        let (rest, j) = (pixel / self.out[1], pixel % self.out[1]);
        let (b, i) = (rest / self.out[0], rest % self.out[0]);

        // Columns of the kernel before `left` and from `right` on lie outside.
        let column = j * self.stride;
        let left = self.top_left[1].saturating_sub(column).min(self.kernel[1]);
        let right = (width + self.top_left[1]).saturating_sub(column).clamp(left, self.kernel[1]);
        for (ki, run) in patch.chunks_exact_mut(self.kernel[1] * channels).enumerate() {
            let row = (i * self.stride + ki).wrapping_sub(self.top_left[0]);
            if row >= height || left == right {
                run.fill(0.0);
                continue;
            }
            let from = ((b * height + row) * width + column + left - self.top_left[1]) * channels;
            let len = (right - left) * channels;
            run[..left * channels].fill(0.0);
            run[left * channels..right * channels].copy_from_slice(&x[from..from + len]);
            run[right * channels..].fill(0.0);
        }
    }
}
