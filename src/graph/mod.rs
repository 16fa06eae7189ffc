//! Networks as data: a static graph of typed operations.
//!
//! A builder in [`crate::model`] emits a [`Graph`] once per shape; executors interpret it. Values are in
//! single-assignment form: node *i* defines value *i*, and operands come earlier in the list.
//!
//! **Activations are channels-last.** A picture is `[B, H, W, C]`, a sequence `[B, L, D]`, so that flattening
//! a picture to a sequence of pixels is a reshape and moves nothing. Parameters keep the layouts that
//! diffusers and PyTorch store (`[out, in]` for linear maps, `[out, in, kh, kw]` for convolutions).
//! Every value is f32; token ids and class labels travel as f32 too (exact below 2^24).

mod builder;
mod cost;
mod interpreter;
mod op;

pub use builder::GraphBuilder;
pub use cost::Cost;
pub use interpreter::{Array, interpret};
pub use op::{Activation, Op};

/// Extents of a value, outermost first.
pub type Shape = Vec<usize>;

/// A value of a graph: the index of the node that defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(pub(crate) u32);

impl Value {
    /// Position of the defining node in [`Graph::nodes`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation, what it reads, and the shape of what it makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub op: Op,
    pub operands: Vec<Value>,
    pub shape: Shape,
}

/// A network with static shapes, and names for what goes in and out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) outputs: Vec<(String, Value)>,
    pub(crate) lasting: Vec<Value>,
}

impl Graph {
    /// All nodes, in an order in which they can be executed.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node that defines `value`.
    pub fn node(&self, value: Value) -> &Node {
        &self.nodes[value.index()]
    }

    /// Shape of `value`.
    pub fn shape(&self, value: Value) -> &[usize] {
        &self.nodes[value.index()].shape
    }

    /// Named inputs, in the order in which they were declared.
    pub fn inputs(&self) -> impl Iterator<Item = (&str, Value)> {
        self.values().filter_map(|(value, node)| match &node.op {
            Op::Input { name } => Some((name.as_str(), value)),
            _ => None,
        })
    }

    /// Parameters by their names in the checkpoint.
    pub fn parameters(&self) -> impl Iterator<Item = (&str, Value)> {
        self.values().filter_map(|(value, node)| match &node.op {
            Op::Parameter { name } => Some((name.as_str(), value)),
            _ => None,
        })
    }

    /// Named outputs.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, Value)> {
        self.outputs.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// Which values last from one evaluation to the next, by index: those that are computed from lasting inputs and
    /// parameters alone, the inputs themselves among them. An executor computes them when it is told to prepare
    /// ([`crate::executor::Command::Prepare`]). None in a graph without lasting inputs.
    pub fn lasting(&self) -> Vec<bool> {
        let mut lasting = vec![false; self.nodes.len()];
        if self.lasting.is_empty() {
            return lasting;
        }
        for (value, node) in self.values() {
            lasting[value.index()] = match node.op {
                Op::Input { .. } => self.lasting.contains(&value),
                Op::Parameter { .. } => true,
                _ => node.operands.iter().all(|operand| lasting[operand.index()]),
            };
        }
        lasting
    }

    /// Every value with its node.
    pub fn values(&self) -> impl Iterator<Item = (Value, &Node)> {
        self.nodes.iter().enumerate().map(|(index, node)| (Value(index as u32), node))
    }
}
