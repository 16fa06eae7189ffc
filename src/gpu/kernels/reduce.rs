//! Sums over lines of threads; see reduce.wgsl.

use super::Variant;

/// The shader for workgroups of so many lines of `lanes` threads each, a square number of them.
pub fn sized(variant: Variant, lanes: usize, lines: usize) -> Variant {
    let shares = lanes.isqrt();
    let sizes = [("LANES", lanes), ("LINES", lines), ("SHARES", shares), ("SHARE", lanes / shares)];
    sizes.into_iter().fold(variant, |variant, (name, value)| variant.size(name, value as u32))
}

/// The same shader for a device whose subgroups have so many threads at least, in order; any other as it is.
pub fn by_subgroups(variant: Variant, subgroup: Option<u32>) -> Variant {
    let (Some(lanes), Some(subgroup)) = (variant.size_of("LANES"), subgroup) else { return variant };
    let block = lanes.min(subgroup);
    let sizes = [("BLOCK", block), ("BLOCKS", lanes / block), ("STEPS", block.ilog2())];
    let variant = variant.switch("SUBGROUPS", true);
    sizes.into_iter().fold(variant, |variant, (name, value)| variant.size(name, value))
}
