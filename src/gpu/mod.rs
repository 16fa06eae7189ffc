//! Graphs as WGSL compute shaders on wgpu: WebGPU in a browser, Vulkan, Metal or DX12 natively.
//!
//! A graph becomes a [`plan::Plan`] in four moves, none of which runs again at a step:
//!
//! 1. `fusion` joins bias, activation and residual sums to the product or norm before them;
//! 2. `weights` moves the parameters it needs to the layout that kernels want, on the device;
//! 3. `lower` turns each fused step into dispatches of `kernels`, which are data;
//! 4. `plan` gives every value a place in the device's one arena by when it is alive (`liveness`), compiles
//!    what pipelines are missing, and binds them.
//!
//! A step of a sampler then sends such a `sequence` in one pass and one submission.

mod arena;
#[cfg(all(target_arch = "wasm32", feature = "web"))]
mod browser;
mod buffer;
mod combination;
mod device;
mod executor;
mod fault;
mod fusion;
mod joint;
pub mod kernels;
mod liveness;
mod lower;
mod lowering;
mod pace;
mod pipelines;
mod plan;
mod products;
mod readback;
mod sequence;
mod signal;
mod storage;
mod stored;
mod weights;
mod winograd;

pub use buffer::Tensor;
pub use device::{DeviceInfo, GpuOptions};
pub use executor::Gpu;
#[cfg(feature = "native")]
pub use executor::{Adapter, Memory, Peaks};
pub use plan::Plan;
#[cfg(feature = "native")]
pub use plan::{Account, Class, Work};
pub use readback::Readback;
pub use weights::Weights;
