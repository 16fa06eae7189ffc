//! What a plan does and takes, counted and not measured: it is the same on every device with the same limits.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

use super::Source;
use crate::gpu::fusion::Step;
use crate::gpu::kernels::{Binding, Dispatch, Kernel};
use crate::gpu::lowering::Lowered;
use crate::graph::{Graph, Node, Op, Value};

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
    /// Floating-point operations, those that fusion joined to it included; tiles' waste is not.
    pub flops: u64,
    /// Bytes that have to be read or written at least: each byte that is bound, once.
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
        arena_bytes: u64,
    ) -> Self {
        let mut work = Vec::with_capacity(sources.len());
        let mut dispatches = lowered.dispatches.iter().zip(sources);
        let mut begin = 0;
        for (step, &end) in steps.iter().zip(&lowered.step_ends) {
            let of_step: Vec<_> = dispatches.by_ref().take(end - begin).collect();
            begin = end;
            work.extend(work_of_step(graph, steps, Some(step), &of_step));
        }
        work.extend(work_of_step(graph, steps, None, &dispatches.collect::<Vec<_>>()));
        let [weight_bytes, tensor_bytes] = owned_bytes(&lowered.dispatches, sources);
        let (value_bytes, live_bytes) = arena_use(&lowered.dispatches, sources);
        let operations = graph.nodes().iter().filter(|node| is_work(node)).count();
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

fn is_work(node: &Node) -> bool {
    !matches!(node.op, Op::Input { .. } | Op::Parameter { .. } | Op::Reshape)
}

/// The dispatches of one step, or of a copy to an output where there is none.
fn work_of_step(
    graph: &Graph,
    steps: &[Step],
    step: Option<&Step>,
    dispatches: &[(&Dispatch, &Vec<Source>)],
) -> Vec<Work> {
    let flops = step.map_or(0, |step| flops(graph, steps, step));
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
    let work = |&(dispatch, sources): &(&Dispatch, &Vec<Source>)| Work {
        class: class(graph, step.filter(|_| is_main(dispatch)), dispatch),
        flops: share(dispatch),
        bytes: bytes(node, sources),
    };
    dispatches.iter().map(work).collect()
}

/// Whether a kernel does an operation's arithmetic, and is no copy or change of layout on the way to it.
fn does(kernel: Kernel, op: &Op) -> bool {
    match op {
        Op::Activation(_) | Op::Affine { .. } => true,
        Op::Linear | Op::Conv2d { .. } => matches!(kernel, Kernel::Linear | Kernel::Conv2d),
        _ => !matches!(kernel, Kernel::Unary | Kernel::Repack),
    }
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

/// Operations of a step: its node's, and those of the nodes between it and its result.
fn flops(graph: &Graph, steps: &[Step], step: &Step) -> u64 {
    let starts: HashSet<Value> = steps.iter().map(|step| step.node).collect();
    if !step.joined.is_empty() {
        return step.joined.iter().map(|(node, _)| graph.flops(graph.node(*node))).sum();
    }
    let own = graph.flops(graph.node(step.node));
    own + absorbed(graph, &starts, step.result, step.node).unwrap_or(0)
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
    use crate::gpu::fusion::fuse;
    use crate::graph::{Activation, GraphBuilder};

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
        assert!(steps.len() < graph.nodes().iter().filter(|node| is_work(node)).count());
        let shared: u64 = steps.iter().map(|step| flops(&graph, &steps, step)).sum();
        assert_eq!(shared, graph.cost().flops);
        Ok(())
    }
}
