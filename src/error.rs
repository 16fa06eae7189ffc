//! Everything that can go wrong, with a code that does not change between versions.
//!
//! Variants hold the values; the sentence is made here. Bad input and a failing device are errors; a broken
//! invariant of our own is a panic.

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the caller's terms.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option of `generate`, `start` or `load` is outside what is accepted.
    #[error("{option} must be {accepted}, not {value}")]
    InvalidOption { option: &'static str, accepted: String, value: String },

    /// Operands of a graph operation do not fit together. A mistake of a graph's author or of a config.
    #[error("{operation}: expected {expected}, got {actual}")]
    ShapeMismatch { operation: String, expected: String, actual: String },

    /// A graph names an input, output or parameter twice, or leaves one out.
    #[error("graph: {message}")]
    InvalidGraph { message: String },

    /// A checkpoint's config asks for something this version does not do.
    #[error("{component} config: {field} = {value} is not supported; accepted: {accepted}")]
    UnsupportedConfig { component: String, field: String, value: String, accepted: String },

    /// A checkpoint's config lacks a field or holds nonsense.
    #[error("{component} config: {message}")]
    InvalidConfig { component: String, message: String },

    /// manifest.json is not JSON, lacks a field, or contradicts itself.
    #[error("manifest: {message}")]
    InvalidManifest { message: String },

    /// manifest.json was written by a converter of another schema.
    #[error("manifest: schema version {found} is not supported; accepted: {accepted}")]
    ManifestVersion { found: String, accepted: String },

    /// The graph needs a tensor that the checkpoint does not hold.
    #[error("tensor {tensor} is missing from the checkpoint")]
    MissingTensor { tensor: String },

    /// The checkpoint holds the tensor in another shape than the config implies.
    #[error("tensor {tensor} must have shape {expected:?}, not {actual:?}")]
    TensorShape { tensor: String, expected: Vec<usize>, actual: Vec<usize> },

    /// A shard is longer or shorter than the manifest says.
    #[error("shard {shard} must hold {expected_bytes} bytes, not {actual_bytes}")]
    ShardSize { shard: String, expected_bytes: u64, actual_bytes: u64 },

    /// A shard's SHA-256 differs from the manifest's.
    #[error("shard {shard} is damaged: its SHA-256 is {actual}, the manifest says {expected}")]
    ShardHash { shard: String, expected: String, actual: String },

    /// A shard was pushed that the manifest does not list.
    #[error("shard {shard} is not in the manifest")]
    UnknownShard { shard: String },

    /// A shard was pushed twice.
    #[error("shard {shard} has arrived already")]
    RepeatedShard { shard: String },

    /// Loading was ended before all shards had arrived.
    #[error("shard {shard} has not arrived")]
    MissingShard { shard: String },

    /// A tokenizer's files are missing or malformed.
    #[error("tokenizer: {message}")]
    InvalidTokenizer { message: String },

    /// No usable adapter.
    #[error("WebGPU is not available: {reason}")]
    WebgpuUnavailable { reason: String },

    /// The adapter cannot do what this model or size needs.
    #[error("the device's {limit} is {available}; {required} is needed")]
    LimitTooSmall { limit: String, required: u64, available: u64 },

    /// The device went away. The engine has to be loaded anew.
    #[error("the GPU device was lost: {message}")]
    DeviceLost { message: String },

    /// A buffer could not be had.
    #[error("out of memory: {message}")]
    OutOfMemory { message: String },

    /// The device refused a command: a mistake of ours or of the driver.
    #[error("the GPU reported an error: {message}")]
    Gpu { message: String },

    /// A stage produced NaN or infinity, so there is no picture to hand over.
    #[error("{stage} produced values that are not finite")]
    NotFinite { stage: &'static str },

    /// The engine, model or run was used after its end.
    #[error("{what} is no longer there")]
    Disposed { what: String },

    /// A file could not be read or written (native).
    #[error("{path}: {message}")]
    Io { path: String, message: String },

    /// A picture could not be decoded or encoded.
    #[error("image: {message}")]
    InvalidImage { message: String },
}

impl Error {
    /// Whether less at once may succeed.
    pub fn is_shortage(&self) -> bool {
        matches!(self, Self::OutOfMemory { .. } | Self::LimitTooSmall { .. })
    }

    /// The stable code of this error: what programs match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidOption { .. } => "invalid-option",
            Self::ShapeMismatch { .. } => "shape-mismatch",
            Self::InvalidGraph { .. } => "invalid-graph",
            Self::UnsupportedConfig { .. } => "unsupported-config",
            Self::InvalidConfig { .. } => "invalid-config",
            Self::InvalidManifest { .. } => "invalid-manifest",
            Self::ManifestVersion { .. } => "unsupported-manifest-version",
            Self::MissingTensor { .. } => "missing-tensor",
            Self::TensorShape { .. } => "tensor-shape",
            Self::ShardSize { .. } => "shard-size",
            Self::ShardHash { .. } => "shard-hash",
            Self::UnknownShard { .. } => "unknown-shard",
            Self::RepeatedShard { .. } => "repeated-shard",
            Self::MissingShard { .. } => "missing-shard",
            Self::InvalidTokenizer { .. } => "invalid-tokenizer",
            Self::WebgpuUnavailable { .. } => "webgpu-unavailable",
            Self::LimitTooSmall { .. } => "limit-too-small",
            Self::DeviceLost { .. } => "device-lost",
            Self::OutOfMemory { .. } => "out-of-memory",
            Self::Gpu { .. } => "gpu-error",
            Self::NotFinite { .. } => "not-finite",
            Self::Disposed { .. } => "disposed",
            Self::Io { .. } => "io",
            Self::InvalidImage { .. } => "invalid-image",
        }
    }
}
