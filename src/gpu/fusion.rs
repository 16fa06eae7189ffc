//! Which nodes of a graph run as one step.
//!
//! A product (linear, conv2d) takes with it what follows, as long as each value in between has one reader:
//! a sum with a row that repeats (the time embedding), an activation, a residual sum, another activation. Norms, sums,
//! products and scales take an activation. A convolution does the doubling before it, a linear map the gating after it. Reshapes cost nothing
//! and are followed.

use crate::graph::{Activation, Graph, Op, Value};

/// A node, and what is computed with it on the way to `result`:
/// `last(activation(node + added) + residual)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub node: Value,
    pub result: Value,
    /// A row for each `usize` rows of the result.
    pub added: Option<(Value, usize)>,
    pub activation: Option<Activation>,
    pub residual: Option<Value>,
    pub last: Option<Activation>,
    /// The node is a convolution of this value, seen twice as large.
    pub doubled: Option<Value>,
    /// The node is a linear map, and the first half of its outputs, gated by the second, is all that is wanted of it.
    pub gated: bool,
    /// Linear maps of one value that are made by one product: their nodes and results, `node` and `result` first. Empty where
    /// there is one only.
    pub joined: Vec<(Value, Value)>,
}

impl Step {
    /// What the node's first operand is computed from.
    pub fn source(&self, graph: &Graph) -> Value {
        self.doubled.unwrap_or_else(|| graph.node(self.node).operands[0])
    }

    /// All values that the step reads, parameters included.
    pub fn reads(&self, graph: &Graph) -> Vec<Value> {
        let operands = &graph.node(self.node).operands;
        let first = operands.first().map(|_| self.source(graph));
        let others = operands.iter().skip(1).copied();
        first
            .into_iter()
            .chain(others)
            .chain(self.added.map(|(value, _)| value))
            .chain(self.residual)
            .collect()
    }
}

/// The steps that compute a graph's outputs, in order. What no output needs is left out. `is_whole` says of a parameter whether the
/// device has it in one piece, as gating needs it.
pub fn fuse(graph: &Graph, is_whole: impl Fn(&str) -> bool) -> Vec<Step> {
    let readers = Readers::of(graph);
    let mut taken = vec![false; graph.nodes().len()];
    let mut steps = Vec::new();
    for (value, node) in graph.values() {
        let is_work = !matches!(node.op, Op::Input { .. } | Op::Parameter { .. } | Op::Reshape);
        if !is_work || taken[value.index()] || readers.counts[value.index()] == 0 {
            continue;
        }
        if doubling(graph, &readers, value).is_some() {
            continue;
        }
        let doubled = match node.op {
            Op::Conv2d { .. } => doubling(graph, &readers, node.operands[0]),
            _ => None,
        };
        let (activation, last, joined) = (None, None, Vec::new());
        let mut step = Step {
            node: value,
            result: value,
            added: None,
            activation,
            residual: None,
            last,
            doubled,
            gated: false,
            joined,
        };
        while let Some(next) = readers.only_reader(step.result) {
            if taken[next.index()] || !step.absorb(graph, next, &is_whole) {
                break;
            }
            taken[next.index()] = true;
            step.result = next;
        }
        steps.push(step);
    }
    // A step runs where its last node stands, when everything it reads is there.
    steps.sort_by_key(|step| step.result);
    steps
}

impl Step {
    /// Takes in node `next`, the only reader of `self.result`, if the kernel can do it.
    fn absorb(&mut self, graph: &Graph, next: Value, is_whole: impl Fn(&str) -> bool) -> bool {
        let is_product = matches!(graph.node(self.node).op, Op::Linear | Op::Conv2d { .. });
        let takes_activation = matches!(
            graph.node(self.node).op,
            Op::GroupNorm { .. } | Op::LayerNorm { .. } | Op::Add | Op::Multiply | Op::Affine { .. }
        );
        let node = graph.node(next);
        match &node.op {
            Op::Reshape => true,
            _ if self.gated => false,
            Op::Geglu if self.can_be_gated(graph, is_whole) => {
                self.gated = true;
                true
            }
            Op::Activation(activation) if is_product || takes_activation => {
                let slot = match (self.activation, self.residual) {
                    (None, None) => &mut self.activation,
                    _ if is_product && self.last.is_none() => &mut self.last,
                    _ => return false,
                };
                *slot = Some(*activation);
                true
            }
            // A result that itself repeats (a time embedding on its way to a picture) stays a step.
            Op::Add if graph.shape(self.result) != node.shape || is_row(graph, self.result) => false,
            Op::Add if is_product && self.residual.is_none() && self.last.is_none() => {
                let other = if node.operands[0] == self.result { node.operands[1] } else { node.operands[0] };
                let width = graph.shape(self.node).last();
                // A row for each sample stays one where pictures are a single pixel.
                let rows = match graph.shape(other) == node.shape {
                    true => is_row(graph, other).then_some(1),
                    false => repeated_rows(&node.shape, graph.shape(other)),
                };
                if graph.shape(other) == node.shape && rows.is_none() {
                    self.residual = Some(other);
                    return true;
                }
                let first = self.added.is_none() && self.activation.is_none();
                match rows {
                    // A reshape on the way may have changed what a row is.
                    Some(rows) if first && node.shape.last() == width && node.operands[0] == self.result => {
                        self.added = Some((other, rows));
                        true
                    }
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

impl Step {
    /// Whether this is a linear map by a parameter and nothing more, in units of four numbers and their gates.
    fn can_be_gated(&self, graph: &Graph, is_whole: impl Fn(&str) -> bool) -> bool {
        let node = graph.node(self.node);
        let is_bare = self.added.is_none() && self.activation.is_none() && self.residual.is_none();
        let outputs = node.shape.last();
        let in_units = outputs.is_some_and(|outputs| outputs.is_multiple_of(8));
        let is_parameter = |weight: Value| match &graph.node(weight).op {
            Op::Parameter { name } => is_whole(name),
            _ => false,
        };
        node.op == Op::Linear
            && is_bare
            && in_units
            && graph.shape(self.result).last() == outputs
            && is_parameter(node.operands[1])
    }
}

/// What `value` doubles by nearest neighbours, if it does so for one convolution only.
fn doubling(graph: &Graph, readers: &Readers, value: Value) -> Option<Value> {
    let node = graph.node(value);
    let Op::Upsample { height, width } = node.op else { return None };
    let from = node.operands[0];
    let is_double = graph.shape(from)[1..3] == [height / 2, width / 2] && height % 2 + width % 2 == 0;
    let reader = readers.only_reader(value)?;
    let is_convolved =
        matches!(graph.node(reader).op, Op::Conv2d { .. }) && graph.node(reader).operands[0] == value;
    (is_double && is_convolved).then_some(from)
}

/// Whether a value is vectors, one a sample, made by a linear map or looked up, and brought to the rank of pictures.
fn is_row(graph: &Graph, value: Value) -> bool {
    let node = graph.node(value);
    let is_vector = |value: Value| {
        graph.shape(value).len() == 2 && matches!(graph.node(value).op, Op::Linear | Op::Embedding)
    };
    node.op == Op::Reshape && node.shape.len() == 4 && is_vector(node.operands[0])
}

/// How many rows of `shape` share a row of `other`, whose last extent is the same, whose leading extents are the same,
/// and whose extents between are 1. `None` for any other way to repeat.
fn repeated_rows(shape: &[usize], other: &[usize]) -> Option<usize> {
    let (last, leading) = shape.split_last()?;
    let (other_last, other_leading) = other.split_last()?;
    let same = leading.iter().zip(other_leading).take_while(|(a, b)| a == b).count();
    let fits = last == other_last && other_leading[same..].iter().all(|&extent| extent == 1);
    fits.then(|| leading[same..].iter().product())
}

/// Who reads each value, among the nodes that an output needs.
struct Readers {
    counts: Vec<usize>,
    last: Vec<Option<Value>>,
}

impl Readers {
    fn of(graph: &Graph) -> Self {
        let mut counts = vec![0; graph.nodes().len()];
        let mut last = vec![None; graph.nodes().len()];
        for (_, value) in graph.outputs() {
            // Twice, because memory that a caller sees must hold the value itself.
            counts[value.index()] += 2;
        }
        let nodes: Vec<_> = graph.values().collect();
        for (value, node) in nodes.into_iter().rev() {
            if counts[value.index()] > 0 {
                for operand in &node.operands {
                    counts[operand.index()] += 1;
                    last[operand.index()] = Some(value);
                }
            }
        }
        Self { counts, last }
    }

    fn only_reader(&self, value: Value) -> Option<Value> {
        if self.counts[value.index()] == 1 { self.last[value.index()] } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::graph::GraphBuilder;

    #[test]
    fn a_resnet_block_is_four_steps() -> Result<()> {
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[2, 4, 4, 8])?;
        let time = g.input("time", &[2, 1, 1, 8])?;
        let gamma = g.parameter("gamma", &[8])?;
        let w = g.parameter("w", &[8, 8, 3, 3])?;
        let norm1 = g.group_norm(x, gamma, gamma, 2, 1e-5)?;
        let act1 = g.activation(norm1, Activation::Silu);
        let conv1 = g.conv2d(act1, w, None, 1, [1; 4])?;
        let timed = g.add(conv1, time)?;
        let norm2 = g.group_norm(timed, gamma, gamma, 2, 1e-5)?;
        let act2 = g.activation(norm2, Activation::Silu);
        let conv2 = g.conv2d(act2, w, None, 1, [1; 4])?;
        let sum = g.add(x, conv2)?;
        g.output("y", sum)?;
        let steps = fuse(&g.finish()?, |_| true);
        let results: Vec<Value> = steps.iter().map(|step| step.result).collect();
        assert_eq!(results, [act1, timed, act2, sum]);
        assert_eq!(steps[1].added, Some((time, 16)));
        assert_eq!(steps[3].residual, Some(x));
        assert_eq!(steps[0].activation, Some(Activation::Silu));
        Ok(())
    }

    #[test]
    fn a_convolution_sees_a_picture_doubled() -> Result<()> {
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[2, 4, 3, 8])?;
        let w = g.parameter("w", &[8, 8, 3, 3])?;
        let doubled = g.upsample(x, 8, 6)?;
        let conv = g.conv2d(doubled, w, None, 1, [1; 4])?;
        let tripled = g.upsample(x, 12, 9)?;
        let other = g.conv2d(tripled, w, None, 1, [1; 4])?;
        g.output("conv", conv)?;
        g.output("other", other)?;
        let steps = fuse(&g.finish()?, |_| true);
        assert_eq!(steps.iter().map(|step| step.result).collect::<Vec<_>>(), [conv, tripled, other]);
        assert_eq!(steps.iter().map(|step| step.doubled).collect::<Vec<_>>(), [Some(x), None, None]);
        Ok(())
    }

    /// Plans of all sizes must join the same linear maps, also where a picture is one pixel.
    #[test]
    fn the_row_of_a_single_pixel_is_no_residual() -> Result<()> {
        for side in [1, 2] {
            let mut g = GraphBuilder::new();
            let x = g.input("x", &[2, side, side, 8])?;
            let time = g.input("time", &[2, 8])?;
            let w = g.parameter("w", &[8, 8, 1, 1])?;
            let row = g.linear(time, w, None)?;
            let row = g.reshape(row, &[2, 1, 1, 8])?;
            let conv = g.conv2d(x, w, None, 1, [0; 4])?;
            let timed = g.add(conv, row)?;
            g.output("timed", timed)?;
            let steps = fuse(&g.finish()?, |_| true);
            assert_eq!(steps.iter().map(|step| step.result).collect::<Vec<_>>(), [row, timed]);
            assert_eq!(steps[1].added, Some((row, side * side)));
        }
        Ok(())
    }

    #[test]
    fn a_value_with_two_readers_or_a_name_stays() -> Result<()> {
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[2, 8])?;
        let w = g.parameter("w", &[8, 8])?;
        let product = g.linear(x, w, None)?;
        let act = g.activation(product, Activation::Relu);
        let sum = g.add(act, product)?;
        let named = g.activation(sum, Activation::Tanh);
        g.output("sum", sum)?;
        g.output("named", named)?;
        let steps = fuse(&g.finish()?, |_| true);
        assert_eq!(steps.iter().map(|step| step.result).collect::<Vec<_>>(), [product, act, sum, named]);
        Ok(())
    }
}
