//! Weights on their way from a server to a device: the manifest, its shards, and how tensors are stored.

mod manifest;
mod quantise;
mod shards;
mod storage;

pub use manifest::{
    Alpha, Channels, Component, Defaults, ImageFormat, MAX_SHARD_BYTES, MAX_TOTAL_BYTES, Manifest, Preview,
    SCHEMA_VERSION, Shard,
};
#[cfg(feature = "native")]
pub use quantise::{MOST_INT4, quantise};
pub use quantise::{is_large, to_int8};
pub use shards::{Piece, ShardSet, sha256_hex};
#[cfg(feature = "cpu")]
pub(crate) use storage::dequantise_rows;
pub use storage::{DType, GROUP_CHANNELS, TensorInfo, dequantise};
