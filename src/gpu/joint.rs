//! Linear maps of one value become one product: queries, keys and values; all that is made of the time embedding; the keys and
//! values of every layer that looks at the text. One dispatch reads the value once, and fills more of a device.
//!
//! The members' results stay side by side in its rows, where attention, the sums with a time embedding, and whoever looks rows up for
//! those find them. Which are joined depends on the graph and the storage types, and not on sizes: plans of several sizes share the
//! weights.

use std::collections::HashMap;

use super::fusion::Step;
use super::kernels::repack::MatrixShape;
use super::storage::Storage;
use super::weights::{JointForm, Weights};
use crate::graph::{Graph, Op, Value};
use crate::weights::DType;

/// Joins what can be, in place of the first of its members.
pub fn join(graph: &Graph, steps: Vec<Step>, weights: &Weights, max_binding_bytes: u64) -> Vec<Step> {
    let storage = Storage::of(graph, &steps);
    let read_apart = read_otherwise(graph, &steps, &storage);
    let uses = uses(graph, &steps, &storage);
    let mut groups: HashMap<Kind, Vec<usize>> = HashMap::new();
    for (index, step) in steps.iter().enumerate() {
        let kind = kind(graph, step, &storage, &uses, weights);
        if let Some(kind) = kind.filter(|_| !read_apart[step.result.index()]) {
            groups.entry(kind).or_default().push(index);
        }
    }
    let mut joined: Vec<Option<Step>> = steps.into_iter().map(Some).collect();
    for (kind, members) in groups {
        let pairs: Vec<_> =
            members.iter().flat_map(|&at| &joined[at]).map(|step| (step.node, step.result)).collect();
        let form = form(graph, &pairs);
        if members.len() < 2 || form.shape.packed_bytes(kind.dtype) > max_binding_bytes {
            continue;
        }
        members[1..].iter().for_each(|&at| joined[at] = None);
        if let Some(first) = &mut joined[members[0]] {
            first.joined = pairs;
        }
    }
    joined.into_iter().flatten().collect()
}

/// The joint weights of these nodes.
pub fn form(graph: &Graph, members: &[(Value, Value)]) -> JointForm {
    let name = |value: Value| match &graph.node(value).op {
        Op::Parameter { name } => name.clone(),
        _ => unreachable!("members are made of parameters"),
    };
    let operands = || members.iter().map(|(node, _)| &graph.node(*node).operands);
    let outputs = operands().map(|operands| graph.shape(operands[1])[0]).sum();
    let first = MatrixShape::of(graph.shape(operands().next().expect("a group has members")[1]));
    JointForm {
        weights: operands().map(|operands| name(operands[1])).collect(),
        biases: operands().filter_map(|operands| operands.get(2)).map(|&bias| name(bias)).collect(),
        shape: MatrixShape { outputs, ..first },
    }
}

/// What members have in common.
#[derive(PartialEq, Eq, Hash)]
struct Kind {
    x: Value,
    /// Of a row of x, whose memory may be seen in several shapes.
    channels: usize,
    dtype: DType,
    has_bias: bool,
}

/// The kind of a step that may be a member: a linear map and nothing more, in whole units of four outputs; for int4 in two of them,
/// which share a word; of parameters that nothing else uses, as the others would want them in forms of their own.
fn kind(graph: &Graph, step: &Step, storage: &Storage, uses: &[usize], weights: &Weights) -> Option<Kind> {
    let node = graph.node(step.node);
    let is_bare = step.added.is_none()
        && step.residual.is_none()
        && step.activation.is_none()
        && step.last.is_none()
        && graph.shape(step.result).last() == node.shape.last();
    let is_own = node.operands.iter().skip(1).all(|&operand| uses[storage.owner(operand).index()] == 1);
    if node.op != Op::Linear || !is_bare || !is_own {
        return None;
    }
    let &[outputs, channels, ..] = graph.shape(node.operands[1]) else { return None };
    let dtype = |value: Value| match &graph.node(value).op {
        Op::Parameter { name } => weights.dtype(name),
        _ => None,
    };
    let bias = node.operands.get(2);
    if bias.is_some_and(|&bias| !matches!(dtype(bias), Some(DType::F32 | DType::F16))) {
        return None;
    }
    let of_weight = dtype(node.operands[1])?;
    if !outputs.is_multiple_of(if of_weight == DType::Int4 { 8 } else { 4 }) {
        return None;
    }
    Some(Kind { x: storage.owner(node.operands[0]), channels, dtype: of_weight, has_bias: bias.is_some() })
}

/// How often steps and outputs read the memory of each value, by index.
fn uses(graph: &Graph, steps: &[Step], storage: &Storage) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes().len()];
    let of_steps = steps.iter().flat_map(|step| step.reads(graph));
    for value in of_steps.chain(graph.outputs().map(|(_, value)| value)) {
        uses[storage.owner(value).index()] += 1;
    }
    uses
}

/// Which values' memory is read by something that wants them alone, by index.
fn read_otherwise(graph: &Graph, steps: &[Step], storage: &Storage) -> Vec<bool> {
    let mut otherwise = vec![false; graph.nodes().len()];
    for (_, value) in graph.outputs() {
        otherwise[storage.owner(value).index()] = true;
    }
    // Backwards, so that a result's readers are known.
    for step in steps.iter().rev() {
        let node = graph.node(step.node);
        let takes_columns = match node.op {
            // Vectors of four must not cross from one head to the next.
            Op::Attention { heads, .. } => {
                (node.shape.last().copied().unwrap_or(0) / heads).is_multiple_of(4)
            }
            // All of a row is looked up at once.
            Op::Embedding => !otherwise[step.result.index()],
            _ => false,
        };
        for value in step.reads(graph) {
            let owner = storage.owner(value);
            let is_added = step.added.is_some_and(|(added, _)| added == value)
                && node.shape.last().is_some_and(|outputs| outputs.is_multiple_of(4));
            let same_rows = graph.shape(value).last() == graph.shape(owner).last();
            if !(takes_columns || is_added) || !same_rows {
                otherwise[owner.index()] = true;
            }
        }
    }
    otherwise
}
