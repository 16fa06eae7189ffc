//! Making graphs, with shapes checked as they are made.

use std::collections::HashMap;

use super::{Activation, Graph, Node, Op, Shape, Value};
use crate::error::{Error, Result};

/// Collects nodes. Every method checks its operands and returns the new value, or a
/// [`Error::ShapeMismatch`] that names the operation, what it expected and what it got.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    graph: Graph,
    inputs: HashMap<String, Value>,
    parameters: HashMap<String, Value>,
}

impl GraphBuilder {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shape of a value made so far.
    pub fn shape(&self, value: Value) -> &[usize] {
        self.graph.shape(value)
    }

    /// Declares an input. Names are unique.
    pub fn input(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        require_elements("input", shape)?;
        if self.inputs.contains_key(name) {
            return Err(Error::InvalidGraph { message: format!("input {name} is declared twice") });
        }
        let value = self.push(Op::Input { name: name.to_owned() }, &[], shape.to_vec());
        self.inputs.insert(name.to_owned(), value);
        Ok(value)
    }

    /// Says that an input stays the same for many evaluations: see [`Graph::lasting`].
    pub fn lasts(&mut self, input: Value) {
        self.graph.lasting.push(input);
    }

    /// A tensor of the checkpoint. Asking again for a name gives the same value; the shape must agree.
    pub fn parameter(&mut self, name: &str, shape: &[usize]) -> Result<Value> {
        require_elements("parameter", shape)?;
        if let Some(&value) = self.parameters.get(name) {
            self.require("parameter", self.shape(value) == shape, &format!("{name} {shape:?}"), &[value])?;
            return Ok(value);
        }
        let value = self.push(Op::Parameter { name: name.to_owned() }, &[], shape.to_vec());
        self.parameters.insert(name.to_owned(), value);
        Ok(value)
    }

    /// [`Op::Linear`].
    pub fn linear(&mut self, x: Value, weight: Value, bias: Option<Value>) -> Result<Value> {
        let (x_shape, w) = (self.shape(x), self.shape(weight));
        let matrix = w.len() == 2 || (w.len() == 4 && w[2..] == [1, 1]);
        let inputs = x_shape.last().copied().unwrap_or(0);
        let fits = matrix && w[1] == inputs && bias.is_none_or(|b| self.shape(b) == [w[0]]);
        let operands: Vec<Value> = [x, weight].into_iter().chain(bias).collect();
        self.require("linear", fits, "x [..., K], weight [N, K], bias [N]", &operands)?;
        let shape = with_last(x_shape, w[0]);
        self.push_sized(Op::Linear, &operands, shape)
    }

    /// [`Op::Conv2d`]; `padding` is `[top, left, bottom, right]`.
    pub fn conv2d(
        &mut self,
        x: Value,
        weight: Value,
        bias: Option<Value>,
        stride: usize,
        padding: [usize; 4],
    ) -> Result<Value> {
        let (x_shape, w) = (self.shape(x), self.shape(weight));
        let [top, left, bottom, right] = padding;
        let padded = |axis: usize, before: usize, after: usize| {
            x_shape.get(axis).map_or(0, |extent| extent.saturating_add(before).saturating_add(after))
        };
        let (rows, columns) = (padded(1, top, bottom), padded(2, left, right));
        let fits = x_shape.len() == 4
            && w.len() == 4
            && stride > 0
            && w[1] == x_shape[3]
            && rows >= w[2]
            && columns >= w[3]
            && bias.is_none_or(|b| self.shape(b) == [w[0]]);
        let operands: Vec<Value> = [x, weight].into_iter().chain(bias).collect();
        self.require("conv2d", fits, "x [B, H, W, C], weight [O, C, kh, kw], bias [O]", &operands)?;
        let (height, width) = ((rows - w[2]) / stride + 1, (columns - w[3]) / stride + 1);
        let shape = vec![x_shape[0], height, width, w[0]];
        self.push_sized(Op::Conv2d { stride, padding }, &operands, shape)
    }

    /// [`Op::GroupNorm`].
    pub fn group_norm(
        &mut self,
        x: Value,
        gamma: Value,
        beta: Value,
        groups: usize,
        eps: f64,
    ) -> Result<Value> {
        let channels = self.last_extent(x);
        let fits = self.shape(x).len() >= 2
            && groups > 0
            && channels.is_multiple_of(groups)
            && self.shape(gamma) == [channels]
            && self.shape(beta) == [channels];
        let expected = format!("x [B, ..., C], gamma [C], beta [C], C divisible by {groups}");
        self.require("group_norm", fits, &expected, &[x, gamma, beta])?;
        let shape = self.shape(x).to_vec();
        Ok(self.push(Op::GroupNorm { groups, eps }, &[x, gamma, beta], shape))
    }

    /// [`Op::LayerNorm`].
    pub fn layer_norm(&mut self, x: Value, gamma: Value, beta: Value, eps: f64) -> Result<Value> {
        let width = self.last_extent(x);
        let fits = self.shape(gamma) == [width] && self.shape(beta) == [width];
        self.require("layer_norm", fits, "x [..., D], gamma [D], beta [D]", &[x, gamma, beta])?;
        let shape = self.shape(x).to_vec();
        Ok(self.push(Op::LayerNorm { eps }, &[x, gamma, beta], shape))
    }

    /// [`Op::Activation`].
    pub fn activation(&mut self, x: Value, activation: Activation) -> Value {
        let shape = self.shape(x).to_vec();
        self.push(Op::Activation(activation), &[x], shape)
    }

    /// [`Op::Add`].
    pub fn add(&mut self, x: Value, y: Value) -> Result<Value> {
        self.broadcast(Op::Add, x, y)
    }

    /// [`Op::Multiply`].
    pub fn multiply(&mut self, x: Value, y: Value) -> Result<Value> {
        self.broadcast(Op::Multiply, x, y)
    }

    fn broadcast(&mut self, op: Op, x: Value, y: Value) -> Result<Value> {
        let (x_shape, y_shape) = (self.shape(x), self.shape(y));
        let fits =
            x_shape.len() == y_shape.len() && x_shape.iter().zip(y_shape).all(|(a, b)| a == b || *b == 1);
        self.require(op.name(), fits, "y with the extents of x, or 1", &[x, y])?;
        let shape = x_shape.to_vec();
        Ok(self.push(op, &[x, y], shape))
    }

    /// [`Op::Affine`].
    pub fn affine(&mut self, x: Value, scale: f64, shift: f64) -> Value {
        let shape = self.shape(x).to_vec();
        self.push(Op::Affine { scale, shift }, &[x], shape)
    }

    /// [`Op::Geglu`].
    pub fn geglu(&mut self, x: Value) -> Result<Value> {
        let width = self.last_extent(x);
        self.require("geglu", width.is_multiple_of(2), "x [..., 2D]", &[x])?;
        let shape = with_last(self.shape(x), width / 2);
        Ok(self.push(Op::Geglu, &[x], shape))
    }

    /// [`Op::Attention`].
    pub fn attention(
        &mut self,
        q: Value,
        k: Value,
        v: Value,
        heads: usize,
        scale: f64,
        causal: bool,
    ) -> Result<Value> {
        let (qs, ks) = (self.shape(q), self.shape(k));
        let fits = qs.len() == 3
            && ks.len() == 3
            && ks == self.shape(v)
            && qs[0] == ks[0]
            && qs[2] == ks[2]
            && heads > 0
            && qs[2].is_multiple_of(heads)
            && (!causal || qs[1] == ks[1]);
        let expected = format!("q [B, Lq, D], k and v [B, Lk, D], D divisible by {heads}");
        self.require("attention", fits, &expected, &[q, k, v])?;
        let shape = qs.to_vec();
        Ok(self.push(Op::Attention { heads, scale, causal }, &[q, k, v], shape))
    }

    /// [`Op::Embedding`].
    pub fn embedding(&mut self, ids: Value, table: Value) -> Result<Value> {
        self.require("embedding", self.shape(table).len() == 2, "ids [...], table [V, D]", &[ids, table])?;
        let mut shape = self.shape(ids).to_vec();
        shape.push(self.shape(table)[1]);
        self.push_sized(Op::Embedding, &[ids, table], shape)
    }

    /// [`Op::TimestepEmbedding`].
    pub fn timestep_embedding(
        &mut self,
        timestep: Value,
        dim: usize,
        flip_sin_to_cos: bool,
        freq_shift: f64,
    ) -> Result<Value> {
        let fits = self.shape(timestep).len() == 1 && dim.is_multiple_of(2) && (dim / 2) as f64 > freq_shift;
        self.require("timestep_embedding", fits, "timestep [B], an even width", &[timestep])?;
        let shape = vec![self.shape(timestep)[0], dim];
        self.push_sized(Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift }, &[timestep], shape)
    }

    /// [`Op::Upsample`].
    pub fn upsample(&mut self, x: Value, height: usize, width: usize) -> Result<Value> {
        let fits = self.shape(x).len() == 4 && height > 0 && width > 0;
        self.require("upsample", fits, "x [B, H, W, C], a size of at least 1", &[x])?;
        let shape = vec![self.shape(x)[0], height, width, self.shape(x)[3]];
        self.push_sized(Op::Upsample { height, width }, &[x], shape)
    }

    /// [`Op::Concat`].
    pub fn concat(&mut self, parts: &[Value]) -> Result<Value> {
        let leading = |value: &Value| {
            let shape = self.shape(*value);
            shape[..shape.len().saturating_sub(1)].to_vec()
        };
        let fits = parts.len() >= 2 && parts.iter().all(|part| leading(part) == leading(&parts[0]));
        self.require("concat", fits, "two or more values that differ in the last axis only", parts)?;
        let total = parts.iter().map(|&part| self.last_extent(part)).sum();
        let shape = with_last(self.shape(parts[0]), total);
        self.push_sized(Op::Concat, parts, shape)
    }

    /// [`Op::Slice`].
    pub fn slice(&mut self, x: Value, start: usize, len: usize) -> Result<Value> {
        let fits = len > 0 && start.checked_add(len).is_some_and(|end| end <= self.last_extent(x));
        self.require("slice", fits, &format!("a last axis that holds {start}..{start}+{len}"), &[x])?;
        let shape = with_last(self.shape(x), len);
        Ok(self.push(Op::Slice { start, len }, &[x], shape))
    }

    /// [`Op::Reshape`].
    pub fn reshape(&mut self, x: Value, shape: &[usize]) -> Result<Value> {
        let fits = elements(shape) == elements(self.shape(x));
        self.require("reshape", fits, &format!("as many elements as {shape:?}"), &[x])?;
        Ok(self.push(Op::Reshape, &[x], shape.to_vec()))
    }

    /// Names an output. Names are unique; inputs and parameters cannot be outputs.
    pub fn output(&mut self, name: &str, value: Value) -> Result<()> {
        if self.graph.outputs.iter().any(|(existing, _)| existing == name) {
            return Err(Error::InvalidGraph { message: format!("output {name} is declared twice") });
        }
        if matches!(self.graph.node(value).op, Op::Input { .. } | Op::Parameter { .. }) {
            return Err(Error::InvalidGraph { message: format!("output {name} is computed by nothing") });
        }
        self.graph.outputs.push((name.to_owned(), value));
        Ok(())
    }

    /// The finished graph. It must have an output.
    pub fn finish(self) -> Result<Graph> {
        if self.graph.outputs.is_empty() {
            return Err(Error::InvalidGraph { message: "no output is declared".to_owned() });
        }
        Ok(self.graph)
    }

    fn last_extent(&self, value: Value) -> usize {
        self.shape(value).last().copied().unwrap_or(0)
    }

    /// For operations whose result can be larger than any operand.
    fn push_sized(&mut self, op: Op, operands: &[Value], shape: Shape) -> Result<Value> {
        require_elements(op.name(), &shape)?;
        Ok(self.push(op, operands, shape))
    }

    fn push(&mut self, op: Op, operands: &[Value], shape: Shape) -> Value {
        let value = Value(self.graph.nodes.len() as u32);
        self.graph.nodes.push(Node { op, operands: operands.to_vec(), shape });
        value
    }

    fn require(&self, operation: &str, fits: bool, expected: &str, operands: &[Value]) -> Result<()> {
        if fits {
            return Ok(());
        }
        let shapes: Vec<String> = operands.iter().map(|&value| format!("{:?}", self.shape(value))).collect();
        Err(Error::ShapeMismatch {
            operation: operation.to_owned(),
            expected: expected.to_owned(),
            actual: shapes.join(", "),
        })
    }
}

fn with_last(shape: &[usize], last: usize) -> Shape {
    let mut shape = shape.to_vec();
    if let Some(extent) = shape.last_mut() {
        *extent = last;
    }
    shape
}

/// The number of elements, if they can be addressed as f32.
fn elements(shape: &[usize]) -> Option<usize> {
    let total = shape.iter().try_fold(1usize, |total, &extent| total.checked_mul(extent))?;
    Some(total).filter(|&total| total <= isize::MAX as usize / size_of::<f32>())
}

fn require_elements(operation: &str, shape: &[usize]) -> Result<()> {
    if elements(shape).is_some_and(|total| total > 0) {
        return Ok(());
    }
    Err(Error::ShapeMismatch {
        operation: operation.to_owned(),
        expected: "extents of at least 1 whose product fits the address space".to_owned(),
        actual: format!("{shape:?}"),
    })
}
