//! The peer: the same graph with the same weights on Burn's wgpu backend, written as a user of Burn would write it, with tensors,
//! its convolution, products, attention and norms. Fusion and autotune are on, as they are by default.
//!
//! Burn's convolution takes pictures channels first, and keeps them channels last in memory. The graph's are channels last, so
//! the two axes are swapped around each convolution without moving anything.
//!
//! Every value is a tensor of four axes: those of the graph, after as many of extent 1 as are missing.

mod network;
mod ops;
mod panic;
mod parameters;
mod plan;

pub use network::Network;

/// The four extents of a value of `shape`.
fn four(shape: &[usize]) -> Result<[usize; 4], String> {
    let missing =
        4usize.checked_sub(shape.len()).ok_or_else(|| format!("{shape:?} has more than four axes"))?;
    let mut extents = [1; 4];
    extents[missing..].copy_from_slice(shape);
    Ok(extents)
}
