//! One network on one executor, to be timed in a browser through wasm-bindgen: ours, or with `burn-wgpu` the peer's.

#[cfg(feature = "burn-wgpu")]
mod burn;
mod graph;
#[cfg(not(feature = "burn-wgpu"))]
mod network;
mod stored;

#[cfg(feature = "burn-wgpu")]
pub use burn::Network;
#[cfg(not(feature = "burn-wgpu"))]
pub use network::Network;
