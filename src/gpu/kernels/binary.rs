//! Sums and products of two tensors, with repetition of the second; see binary.wgsl.

use std::ops::Range;

use super::{Binding, Dispatch, Kernel, Variant, activation_code, per_element};
use crate::graph::Activation;

/// The most axes after runs of like axes are merged.
pub const MAX_AXES: usize = 8;

/// How the second operand repeats over the first: `(extent, stride)` from the outermost axis on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repetition(pub Vec<(usize, usize)>);

impl Repetition {
    /// `z` has the extents of `x`, or 1 where it repeats.
    pub fn of(x: &[usize], z: &[usize]) -> Self {
        let mut axes: Vec<(usize, usize)> = Vec::new();
        let mut stride = 1;
        // From the innermost axis out; an axis joins the one inside it if both repeat or both do not.
        for (&extent, &z_extent) in x.iter().zip(z).rev() {
            if extent == 1 {
                continue;
            }
            let repeats = z_extent == 1;
            match axes.last_mut() {
                Some((inner, inner_stride)) if (*inner_stride == 0) == repeats => *inner *= extent,
                _ => axes.push((extent, if repeats { 0 } else { stride })),
            }
            stride *= z_extent;
        }
        axes.reverse();
        Self(axes)
    }

    /// Whether nothing repeats.
    pub fn is_none(&self) -> bool {
        self.0.iter().all(|(_, stride)| *stride != 0)
    }

    /// Where element `i` of `x` finds its partner in `z`.
    pub fn index(&self, i: usize) -> usize {
        let (mut rest, mut at) = (i, 0);
        for (extent, stride) in self.0.iter().rev() {
            at += rest % extent * stride;
            rest /= extent;
        }
        at
    }
}

/// `y = activation(x + z)`, or the product, for some elements, with which the bindings begin, but for a `z` that repeats. Bindings:
/// `x, z, y`; at most [`MAX_AXES`] axes.
pub fn dispatch(
    elements: Range<usize>,
    repetition: &Repetition,
    multiply: bool,
    activation: Option<Activation>,
    bindings: [Binding; 3],
) -> Dispatch {
    let quads = elements.len().div_ceil(4);
    let axes = &repetition.0;
    let same = repetition.is_none();
    let mut params = vec![quads as u32, axes.len() as u32, elements.start as u32 / 4, 0];
    let mut table = [[1u32; MAX_AXES], [0; MAX_AXES]];
    for (axis, (extent, stride)) in axes.iter().enumerate() {
        table[0][axis] = *extent as u32;
        table[1][axis] = *stride as u32;
    }
    params.extend(table.concat());
    Dispatch {
        variant: Variant::of(Kernel::Binary)
            .switch("SAME_SHAPE", same)
            .constant("MULTIPLY", u32::from(multiply))
            .constant("ACTIVATION", activation_code(activation)),
        bindings: bindings.to_vec(),
        params,
        workgroups: per_element(quads),
    }
}

/// The twin, without activation.
pub fn plain(repetition: &Repetition, multiply: bool, x: &[f32], z: &[f32]) -> Vec<f32> {
    let partner = |i: usize| z[repetition.index(i)];
    let one = |(i, a): (usize, &f32)| if multiply { a * partner(i) } else { a + partner(i) };
    x.iter().enumerate().map(one).collect()
}
