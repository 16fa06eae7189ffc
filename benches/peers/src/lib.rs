//! One network on one executor, to be timed in a browser through wasm-bindgen.

mod network;

pub use network::Network;
