//! How much each dispatch of a plan does: counted from the graph, so it is the same on every device with the same limits.

use std::collections::HashSet;

use super::Source;
use crate::gpu::fusion::Step;
use crate::gpu::kernels::{Dispatch, Kernel};
use crate::gpu::lowering::Lowered;
use crate::graph::{Graph, Node, Op, Value};

/// What one dispatch does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// Floating-point operations, those that fusion joined to it included; tiles' waste is not.
    pub flops: u64,
    /// Bytes that have to be read or written at least: each byte that is bound, once.
    pub bytes: u64,
}

/// Operations that take about as long as a byte that is read or written: an H200's peaks are 14 to 1, and products reach less than half of one
/// (docs/performance.md).
const FLOPS_A_BYTE: u64 = 4;

impl Amount {
    /// One number for how long it may take, in operations.
    pub fn total(&self) -> u64 {
        self.flops + FLOPS_A_BYTE * self.bytes
    }
}

/// The amounts of all dispatches, in order.
pub fn amounts(graph: &Graph, steps: &[Step], lowered: &Lowered, sources: &[Vec<Source>]) -> Vec<Amount> {
    let mut amounts = Vec::with_capacity(sources.len());
    let mut dispatches = lowered.dispatches.iter().zip(sources);
    let starts: HashSet<Value> = steps.iter().map(|step| step.node).collect();
    for (at, step) in steps.iter().enumerate() {
        let of_step: Vec<_> = dispatches.by_ref().take(lowered.of_step(at).len()).collect();
        amounts.extend(of_one_step(graph, &starts, Some(step), &of_step));
    }
    amounts.extend(of_one_step(graph, &starts, None, &dispatches.collect::<Vec<_>>()));
    amounts
}

/// The dispatches of one step, or copies to outputs where there is none.
fn of_one_step(
    graph: &Graph,
    starts: &HashSet<Value>,
    step: Option<&Step>,
    dispatches: &[(&Dispatch, &Vec<Source>)],
) -> Vec<Amount> {
    let flops = step.map_or(0, |step| flops(graph, starts, step));
    let node = step.map(|step| graph.node(step.node));
    // A step's operations are its main dispatches', by how much of it each does: the others only move things.
    let groups =
        |dispatch: &Dispatch| dispatch.workgroups.iter().map(|&count| u64::from(count)).product::<u64>();
    let is_main = |dispatch: &Dispatch| node.is_some_and(|node| does(dispatch.variant.kernel, &node.op));
    let mains: u64 = dispatches.iter().map(|(each, _)| if is_main(each) { groups(each) } else { 0 }).sum();
    let share = |dispatch: &Dispatch| match mains {
        0 => flops / dispatches.len() as u64,
        _ if is_main(dispatch) => {
            (u128::from(flops) * u128::from(groups(dispatch)) / u128::from(mains)) as u64
        }
        _ => 0,
    };
    let amount = |&(dispatch, sources): &(&Dispatch, &Vec<Source>)| Amount {
        flops: share(dispatch),
        bytes: bytes(node, sources),
    };
    dispatches.iter().map(amount).collect()
}

/// Whether a kernel does an operation's arithmetic, and is no copy or change of layout on the way to it.
pub fn does(kernel: Kernel, op: &Op) -> bool {
    match op {
        Op::Activation(_) | Op::Affine { .. } => true,
        Op::Linear | Op::Conv2d { .. } => matches!(kernel, Kernel::Linear | Kernel::Conv2d),
        _ => !matches!(kernel, Kernel::Unary | Kernel::Repack),
    }
}

/// Whether a node asks for anything to be done.
#[cfg(feature = "native")]
pub fn is_operation(node: &Node) -> bool {
    !matches!(node.op, Op::Input { .. } | Op::Parameter { .. } | Op::Reshape)
}

/// Operations of a step: its node's, and those of the nodes between it and its result.
fn flops(graph: &Graph, starts: &HashSet<Value>, step: &Step) -> u64 {
    if !step.joined.is_empty() {
        return step.joined.iter().map(|(node, _)| graph.flops(graph.node(*node))).sum();
    }
    let own = graph.flops(graph.node(step.node));
    own + absorbed(graph, starts, step.result, step.node).unwrap_or(0)
}

/// Operations on the way from node `start` to `value`, which leads through no other step's node.
fn absorbed(graph: &Graph, starts: &HashSet<Value>, value: Value, start: Value) -> Option<u64> {
    if value == start {
        return Some(0);
    }
    let node = graph.node(value);
    if value < start || starts.contains(&value) {
        return None;
    }
    let before = node.operands.iter().find_map(|&operand| absorbed(graph, starts, operand, start))?;
    Some(before + graph.flops(node))
}

/// Bytes that a dispatch has to move: what it binds, but for those that touch a part of it.
fn bytes(node: Option<&Node>, sources: &[Source]) -> u64 {
    let bound: Vec<u64> = sources.iter().filter_map(Source::bytes).collect();
    let smaller =
        |a: usize, b: usize| bound.get(a).copied().unwrap_or(0).min(bound.get(b).copied().unwrap_or(0));
    match node.map(|node| &node.op) {
        Some(Op::Concat | Op::Slice { .. }) => 2 * smaller(0, 1),
        // Table, ids and result: as many rows of the table as the result has.
        Some(Op::Embedding) => 2 * smaller(0, 2) + bound.get(1).copied().unwrap_or(0),
        _ => bound.iter().sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::fusion::fuse;
    use crate::graph::{Activation, GraphBuilder};

    #[test]
    fn steps_share_out_the_operations_of_the_graph() -> crate::Result<()> {
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[2, 6, 8])?;
        let w = g.parameter("w", &[8, 8])?;
        let first = g.linear(x, w, None)?;
        let first = g.activation(first, Activation::Silu);
        let second = g.linear(first, w, None)?;
        let sum = g.add(second, first)?;
        let y = g.add(sum, sum)?;
        g.output("y", y)?;
        let graph = g.finish()?;
        let steps = fuse(&graph, |_| true);
        assert!(steps.len() < graph.nodes().iter().filter(|node| is_operation(node)).count());
        let starts = steps.iter().map(|step| step.node).collect();
        let shared: u64 = steps.iter().map(|step| flops(&graph, &starts, step)).sum();
        assert_eq!(shared, graph.cost().flops);
        Ok(())
    }
}
