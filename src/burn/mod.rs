//! Graphs on the CPU, with Burn's `flex` backend: SIMD matrix products, one thread, native and wasm.
//!
//! Burn does the matrix products, which are nearly all of the arithmetic. The graph's values stay channels-last
//! and contiguous, so that a convolution gathers whole runs of channels and multiplies once, and the remaining
//! operations are single passes over slices: as Burn tensor operations they would be up to ten passes each,
//! and Burn's own convolution would turn every picture to channels-first and back.

mod columns;
mod executor;
mod ops;
mod plan;
mod tensor;
mod weights;

pub use executor::{Copied, Cpu};
pub use plan::Plan;
pub use tensor::Tensor;
pub use weights::Weights;
