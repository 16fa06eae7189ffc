//! Sums over lines of threads; see reduce.wgsl.

use super::Variant;

/// The shader for workgroups of so many lines of `lanes` threads each, a square number of them.
pub fn sized(variant: Variant, lanes: usize, lines: usize) -> Variant {
    let shares = lanes.isqrt();
    let sizes = [("LANES", lanes), ("LINES", lines), ("SHARES", shares), ("SHARE", lanes / shares)];
    sizes.into_iter().fold(variant, |variant, (name, value)| variant.size(name, value as u32))
}
