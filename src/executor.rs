//! What an executor of graphs must offer. `gpu` and `burn` are the two that ship.
//!
//! Who owns what: the executor owns the device (adapter, queue, pipelines, the arena that plans share); a
//! model owns its `Weights`; a `Plan` is a graph made ready for one set of shapes; a run owns its `Tensor`s.
//! Several plans of several models live at once on one executor.

use crate::error::Result;
use crate::graph::Graph;
use crate::solver::Thresholding;
use crate::weights::TensorInfo;

/// What products are computed in. Everything else is f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "native", derive(clap::ValueEnum))]
pub enum Arithmetic {
    #[default]
    F32,
    /// Factors are f16, and so are sums of at most 16 products; longer sums are f32.
    F16,
    /// Factors are integers of 8 bits where the weights are; sums of at most 32 products are exact, longer ones f32.
    Int8,
}

/// Which executor runs, on what, and why it was chosen.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendReport {
    /// `"webgpu"` or `"cpu"`.
    pub backend: &'static str,
    /// The adapter's or processor's own description; empty where the platform hides it.
    pub device: String,
    /// Whether 16-bit arithmetic is available to shaders.
    pub shader_f16: bool,
    /// What products are computed in.
    pub arithmetic: Arithmetic,
}

/// Some elements of a tensor times a factor.
#[derive(Debug)]
pub struct Term<'a, T> {
    /// The factor.
    pub coefficient: f32,
    /// Where to read.
    pub tensor: &'a T,
    /// Index of the first element read.
    pub offset: usize,
}

/// One piece of device work.
pub enum Command<'a, E: Executor + ?Sized> {
    /// Computes what depends on a plan's lasting inputs alone ([`Graph::lasting`]), and keeps it.
    Prepare(&'a E::Plan),
    /// Runs a plan's graph: reads its input tensors, writes its output tensors. One with lasting inputs has to have been
    /// prepared since they were written.
    Evaluate(&'a E::Plan),
    /// `out[offset + i] = Σ coefficient · tensor[term.offset + i]` for `i < len`, with at most
    /// [`MAX_TERMS`] terms. `out` may also be a term only at the same offset.
    Combine { out: &'a E::Tensor, offset: usize, len: usize, terms: Vec<Term<'a, E::Tensor>> },
    /// The same, times `1 + rescale (deviation of the first term's elements / deviation of the sum − 1)`. `out` is
    /// no term.
    CombineRescaled {
        out: &'a E::Tensor,
        offset: usize,
        len: usize,
        terms: Vec<Term<'a, E::Tensor>>,
        rescale: f32,
    },
    /// Replaces the first `len` elements, one picture, by what [`Thresholding::apply`] makes of them.
    Threshold { estimate: &'a E::Tensor, len: usize, thresholding: Thresholding },
}

/// The most terms of one [`Command::Combine`]: with the output they are seven of the eight storage buffers that every WebGPU
/// device offers a stage.
pub const MAX_TERMS: usize = 6;

/// How long a piece of device work may take, in milliseconds: submitted work cannot be cancelled, so this is what an
/// abort waits for.
pub const PIECE_MILLIS: f64 = 50.0;

/// Runs graphs on a device. All tensors are f32 and contiguous.
pub trait Executor {
    /// A tensor that outlives an evaluation. Clones are handles to the same memory.
    type Tensor: Clone;
    /// A model's parameters, in the storage types of its shards.
    type Weights;
    /// A graph made ready to run.
    type Plan;
    /// A copy of tensors on its way to the host.
    type Readback;

    /// What runs, and on what.
    fn report(&self) -> BackendReport;

    /// A tensor of zeros.
    fn tensor(&self, shape: &[usize]) -> Result<Self::Tensor>;

    /// Replaces a tensor's values, before everything submitted later.
    fn write(&self, tensor: &Self::Tensor, values: &[f32]) -> Result<()>;

    /// Room for a model's parameters.
    fn weights(&self, tensors: &[TensorInfo]) -> Result<Self::Weights>;

    /// Puts `bytes` of the stored form of parameter `tensor` (its index in the list given to
    /// [`Executor::weights`]) at byte `offset` of that form. Offsets and lengths are multiples of 4. The
    /// bytes may be dropped when this returns.
    fn push(&self, weights: &mut Self::Weights, tensor: usize, offset: u64, bytes: &[u8]) -> Result<()>;

    /// Prepares `graph`: memory, pipelines, and the weights in the layout its kernels want. The plan keeps
    /// what it needs of `weights` alive. Errors: a parameter is missing or of another shape, a limit of the
    /// device is too small, memory is short.
    async fn plan(&self, graph: &Graph, weights: &Self::Weights) -> Result<Self::Plan>;

    /// The tensor that a plan reads for input `name`.
    fn input<'a>(&self, plan: &'a Self::Plan, name: &str) -> Option<&'a Self::Tensor>;

    /// The tensor that a plan writes for output `name`.
    fn output<'a>(&self, plan: &'a Self::Plan, name: &str) -> Option<&'a Self::Tensor>;

    /// Does the commands in order, after everything submitted before. On a GPU: one encoder, one compute
    /// pass, one submit, and no wait.
    fn submit(&self, commands: &[Command<'_, Self>]) -> Result<()>;

    /// The same, where it takes long in pieces of about [`PIECE_MILLIS`], between which the host's other tasks have
    /// their turn. Dropped between two pieces, the rest stays undone: the tensors written are then of no use.
    async fn submit_in_pieces(&self, commands: &[Command<'_, Self>]) -> Result<()>;

    /// Starts copying tensors to the host, without a wait. `None` if earlier copies still fill the ring:
    /// the caller then goes without (a preview that is late is dropped).
    fn begin_read(&self, tensors: &[&Self::Tensor]) -> Result<Option<Self::Readback>>;

    /// The values of all the tensors, one after the other, if the copy has arrived. Waits only to find out why it failed.
    async fn try_read(&self, readback: &mut Self::Readback) -> Result<Option<Vec<f32>>>;

    /// A tensor's values, after everything submitted before. Reports a lost device or a validation error
    /// that happened on the way.
    async fn read(&self, tensor: &Self::Tensor) -> Result<Vec<f32>>;

    /// Waits until at most `in_flight` submissions are unfinished.
    async fn settle(&self, in_flight: usize) -> Result<()>;

    /// After a shortage, gives back what it may have spoilt and lets go of the complaints that follow: what comes next may
    /// need less.
    async fn recover(&self) {}
}
