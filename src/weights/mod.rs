//! Weights on their way from a server to a device: the manifest, its shards, and how tensors are stored.

mod storage;

pub use storage::{DType, TensorInfo, dequantise};
