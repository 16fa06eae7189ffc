//! The operations a graph is made of, with the shapes they take and give.
//!
//! Letters: `B` batch, `H W` height and width, `C` channels, `L` sequence length, `D` width, `K` inputs and
//! `N` outputs of a linear map, `O` output channels. `…` stands for any leading extents.

/// An element-wise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `x · sigmoid(x)` (SiLU, also called swish).
    Silu,
    /// `x · Φ(x)` with the exact normal distribution function.
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// `x · sigmoid(1.702 x)`, CLIP's approximation.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `tanh(x)`.
    Tanh,
}

/// What a node computes. Operands are listed in the order in which [`super::Node::operands`] holds them.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A named input, written by the caller before each evaluation. No operands.
    Input { name: String },

    /// A tensor of the checkpoint, in the layout in which it is stored. No operands.
    Parameter { name: String },

    /// `y = x · wᵀ + b`: `x [… , K]`, `w [N, K]` (a stored `[N, K, 1, 1]` counts as `[N, K]`), optional
    /// `b [N]`; gives `[… , N]`.
    Linear,

    /// Cross-correlation: `x [B, H, W, C]`, `w [O, C, kh, kw]`, optional `b [O]`; gives `[B, H', W', O]` with
    /// `H' = (H + top + bottom − kh) / stride + 1`. Padding is with zeros, `[top, left, bottom, right]`.
    Conv2d { stride: usize, padding: [usize; 4] },

    /// Normalisation over pixels and over the channels of each of `groups` groups, with biased variance:
    /// `x [B, … , C]`, `gamma [C]`, `beta [C]`; gives the shape of `x`. Wu & He 2018, Eq. (1).
    GroupNorm { groups: usize, eps: f64 },

    /// Normalisation over the last axis, with biased variance: `x [… , D]`, `gamma [D]`, `beta [D]`.
    LayerNorm { eps: f64 },

    /// Element-wise nonlinearity.
    Activation(Activation),

    /// `x + y`. Shapes are equal, or `y` has the same rank with some extents 1, which repeat.
    Add,

    /// `x · y`, with the shapes of [`Op::Add`].
    Multiply,

    /// `scale · x + shift`.
    Affine { scale: f64, shift: f64 },

    /// `a · gelu(b)`, where `x [… , 2D]` holds `a` then `b`; gives `[… , D]`. Shazeer 2020 (GEGLU).
    Geglu,

    /// `softmax(scale · q kᵀ) v` for each head: `q [B, Lq, D]`, `k [B, Lk, D]`, `v [B, Lk, D]`; heads are
    /// consecutive slices of `D`. With `causal`, query *i* sees keys `0..=i` only (then `Lq = Lk`).
    Attention { heads: usize, scale: f64, causal: bool },

    /// Rows of a table: `ids […]` holding integers, `table [V, D]`; gives `[… , D]`. Ids are clamped into
    /// the table.
    Embedding,

    /// Sinusoids of a timestep: `t [B]` gives `[B, dim]`. With `half = dim / 2` and
    /// `f_i = exp(−ln(10000) · i / (half − freq_shift))`: sines of `t f_i` then cosines, or cosines first if
    /// `flip_sin_to_cos`. Vaswani et al. 2017, section 3.5; Ho et al. 2020.
    TimestepEmbedding { dim: usize, flip_sin_to_cos: bool, freq_shift: f64 },

    /// Nearest-neighbour resize: `x [B, H, W, C]` gives `[B, height, width, C]`; pixel `(i, j)` is taken from
    /// `(⌊i H / height⌋, ⌊j W / width⌋)`.
    Upsample { height: usize, width: usize },

    /// Operands side by side along the last axis.
    Concat,

    /// `len` entries of the last axis from `start`.
    Slice { start: usize, len: usize },

    /// The same elements under another shape. Moves nothing.
    Reshape,
}

impl Op {
    /// The name that errors and profiles use.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input { .. } => "input",
            Self::Parameter { .. } => "parameter",
            Self::Linear => "linear",
            Self::Conv2d { .. } => "conv2d",
            Self::GroupNorm { .. } => "group_norm",
            Self::LayerNorm { .. } => "layer_norm",
            Self::Activation(_) => "activation",
            Self::Add => "add",
            Self::Multiply => "multiply",
            Self::Affine { .. } => "affine",
            Self::Geglu => "geglu",
            Self::Attention { .. } => "attention",
            Self::Embedding => "embedding",
            Self::TimestepEmbedding { .. } => "timestep_embedding",
            Self::Upsample { .. } => "upsample",
            Self::Concat => "concat",
            Self::Slice { .. } => "slice",
            Self::Reshape => "reshape",
        }
    }
}
