//! What a plan does and takes, counted and not measured: it is the same on every device with the same limits.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::Source;
use super::work::{Amount, does, is_operation};
use crate::gpu::fusion::Step;
use crate::gpu::kernels::{Binding, Dispatch};
use crate::gpu::lowering::Lowered;
use crate::graph::{Graph, Op, Value};

/// An evaluation, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// One entry a dispatch, in order.
    pub work: Vec<Work>,
    /// Nodes of the graph that are work: what an executor that fuses nothing would dispatch.
    pub operations: usize,
    /// Bytes of the parameters and constants that dispatches read, in the form in which they are on the device.
    pub weight_bytes: u64,
    /// Bytes of the arena.
    pub arena_bytes: u64,
    /// Bytes of all intermediate values, as if none shared memory with another.
    pub value_bytes: u64,
    /// Bytes of the intermediate values that are alive at once, at the most. The arena cannot be smaller.
    pub live_bytes: u64,
    /// Bytes of inputs and outputs, which are tensors of their own.
    pub tensor_bytes: u64,
    /// The most that one binding shows a shader.
    pub largest_binding_bytes: u64,
}

/// One dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub class: Class,
    /// As [`Amount`] has them.
    pub flops: u64,
    pub bytes: u64,
}

/// Dispatches that are alike: the same kernel on the same shape.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Class {
    /// Its WGSL file.
    pub kernel: String,
    /// `M x K x N` of a product (rows, inputs of a sum, outputs); batch and heads, queries, keys and width of a head of an
    /// attention; empty for what works element by element.
    pub shape: String,
    /// How the weights are stored, if it reads some.
    pub dtype: Option<&'static str>,
}

impl Account {
    pub(super) fn of(
        graph: &Graph,
        steps: &[Step],
        lowered: &Lowered,
        sources: &[Vec<Source>],
        amounts: &[Amount],
        arena_bytes: u64,
    ) -> Self {
        let work = work(graph, steps, lowered, amounts);
        let [weight_bytes, tensor_bytes] = owned_bytes(&lowered.dispatches, sources);
        let (value_bytes, live_bytes) = arena_use(&lowered.dispatches, sources);
        let operations = graph.nodes().iter().filter(|node| is_operation(node)).count();
        let largest_binding_bytes = sources.iter().flatten().filter_map(Source::bytes).max().unwrap_or(0);
        Self {
            work,
            operations,
            weight_bytes,
            arena_bytes,
            value_bytes,
            live_bytes,
            tensor_bytes,
            largest_binding_bytes,
        }
    }

    /// Floating-point operations of an evaluation.
    pub fn flops(&self) -> u64 {
        self.work.iter().map(|work| work.flops).sum()
    }

    /// The dispatches of each class, by their places in the list.
    pub fn classes(&self) -> BTreeMap<&Class, Vec<usize>> {
        let mut classes: BTreeMap<&Class, Vec<usize>> = BTreeMap::new();
        for (index, work) in self.work.iter().enumerate() {
            classes.entry(&work.class).or_default().push(index);
        }
        classes
    }
}

/// The dispatches of all steps, and then copies to outputs.
fn work(graph: &Graph, steps: &[Step], lowered: &Lowered, amounts: &[Amount]) -> Vec<Work> {
    let step_of = |at: usize| steps.iter().enumerate().find(|(step, _)| lowered.of_step(*step).contains(&at));
    let work = |(at, (dispatch, amount)): (usize, (&Dispatch, &Amount))| {
        let step = step_of(at).map(|(_, step)| step);
        let main = step.filter(|step| does(dispatch.variant.kernel, &graph.node(step.node).op));
        Work { class: class(graph, main, dispatch), flops: amount.flops, bytes: amount.bytes }
    };
    lowered.dispatches.iter().zip(amounts).enumerate().map(work).collect()
}

fn class(graph: &Graph, step: Option<&Step>, dispatch: &Dispatch) -> Class {
    let extents: Vec<usize> = match step.map(|step| (&graph.node(step.node).op, step)) {
        Some((Op::Linear | Op::Conv2d { .. }, step)) => {
            let node = graph.node(step.node);
            let weight = graph.shape(node.operands[1]);
            let rows = node.shape.iter().product::<usize>() / weight[0];
            let outputs = |value: Value| graph.shape(graph.node(value).operands[1])[0];
            let joined: usize = step.joined.iter().map(|(node, _)| outputs(*node)).sum();
            vec![rows, weight[1..].iter().product(), joined.max(weight[0])]
        }
        Some((Op::Attention { heads, .. }, step)) => {
            let node = graph.node(step.node);
            let (q, k) = (graph.shape(node.operands[0]), graph.shape(node.operands[1]));
            vec![q[0] * heads, q[1], k[1], q[2] / heads]
        }
        _ => Vec::new(),
    };
    let extents: Vec<String> = extents.iter().map(usize::to_string).collect();
    let dtype = [("F32", "f32"), ("F16", "f16"), ("INT8", "int8"), ("INT4", "int4")];
    let dtype = dtype.iter().find(|(switch, _)| dispatch.variant.switches.contains(switch));
    Class {
        kernel: snake_case(&format!("{:?}", dispatch.variant.kernel)),
        shape: extents.join(" x "),
        dtype: dtype.map(|(_, name)| *name),
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// Bytes outside the arena: of parameters and constants, and of inputs and outputs.
fn owned_bytes(dispatches: &[Dispatch], sources: &[Vec<Source>]) -> [u64; 2] {
    let mut seen = HashSet::new();
    let mut bytes = [0; 2];
    for (dispatch, sources) in dispatches.iter().zip(sources) {
        for (binding, source) in dispatch.bindings.iter().zip(sources) {
            if let Source::Own(range) = source
                && seen.insert(Rc::as_ptr(&range.buffer))
            {
                bytes[usize::from(!matches!(binding.whole(), Binding::Buffer(_)))] += range.buffer.bytes();
            }
        }
    }
    bytes
}

/// A value's part of the arena, and the dispatches between which it is alive.
struct Use {
    buffer: usize,
    start: u64,
    end: u64,
    first: usize,
    last: usize,
}

/// Bytes of all values in the arena, and of those alive at once.
fn arena_use(dispatches: &[Dispatch], sources: &[Vec<Source>]) -> (u64, u64) {
    #[derive(PartialEq, Eq, Hash)]
    enum Memory {
        Value(Value),
        Scratch(usize),
    }
    let mut uses: HashMap<Memory, Use> = HashMap::new();
    for (at, (dispatch, sources)) in dispatches.iter().zip(sources).enumerate() {
        for (binding, source) in dispatch.bindings.iter().zip(sources) {
            let memory = match binding.whole() {
                Binding::Value(value) => Memory::Value(*value),
                Binding::Scratch(index) => Memory::Scratch(*index),
                _ => continue,
            };
            let Source::Arena(place, bytes) = source else { continue };
            let end = place.offset + bytes;
            let fresh = Use { buffer: place.buffer, start: place.offset, end, first: at, last: at };
            let known = uses.entry(memory).or_insert(fresh);
            known.start = known.start.min(place.offset);
            known.end = known.end.max(end);
            known.last = at;
        }
    }
    let live = |at: usize| {
        let alive = uses.values().filter(|each| (each.first..=each.last).contains(&at));
        covered(alive.map(|each| (each.buffer, each.start, each.end)).collect())
    };
    let all = uses.values().map(|each| each.end - each.start).sum();
    (all, (0..dispatches.len()).map(live).max().unwrap_or(0))
}

/// Bytes that ranges cover together.
fn covered(mut ranges: Vec<(usize, u64, u64)>) -> u64 {
    ranges.sort_unstable();
    let (mut total, mut reached) = (0, (0, 0));
    for (buffer, start, end) in ranges {
        let from = if reached.0 == buffer { start.max(reached.1) } else { start };
        total += end.saturating_sub(from);
        reached = if reached.0 == buffer { (buffer, end.max(reached.1)) } else { (buffer, end) };
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_counted_once() {
        assert_eq!(covered(vec![(0, 0, 512), (0, 256, 1024), (1, 0, 256), (0, 2048, 2304)]), 1536);
        assert_eq!(covered(Vec::new()), 0);
    }

    #[test]
    fn kernels_go_by_their_files() {
        assert_eq!(snake_case("GroupNormStats"), "group_norm_stats");
        assert_eq!(snake_case("Conv2d"), "conv2d");
    }
}
