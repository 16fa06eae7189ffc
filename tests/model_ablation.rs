//! Whether parity can see a mistake: each kind of operation, done wrongly, moves the output far beyond the tolerance.
//!
//! Networks, weights and goldens are those of the parity test. Each ablation rebuilds a graph with one kind of
//! operation changed wherever it occurs, or changes parameters. Where it changes anything, the output must move by
//! more than 1e-2 from PyTorch's; parity allows 1e-4.

mod families;
mod formula;

use std::collections::HashMap;

use families::{Case, cases};
use tenstep::Result;
use tenstep::graph::{Activation, Array, Graph, GraphBuilder, Node, Op, Value, interpret};

const MOVED: f64 = 1e-2;

/// Gives a node's value another way, or `None` where it is left alone.
type Change = fn(&mut GraphBuilder, &Op, &[Value]) -> Option<Result<Value>>;

/// Changes a parameter; says whether it did.
type Damage = fn(&str, &mut Array) -> bool;

const CHANGES: [(&str, Change); 25] = [
    ("group norm left out", |_, op, operands| matches!(op, Op::GroupNorm { .. }).then(|| Ok(operands[0]))),
    ("half as many groups", |graph, op, operands| match *op {
        Op::GroupNorm { groups, eps } if groups % 2 == 0 => {
            Some(graph.group_norm(operands[0], operands[1], operands[2], groups / 2, eps))
        }
        _ => None,
    }),
    ("layer norm left out", |_, op, operands| matches!(op, Op::LayerNorm { .. }).then(|| Ok(operands[0]))),
    ("bias of linear maps left out", |graph, op, operands| match op {
        Op::Linear if operands.len() == 3 => Some(graph.linear(operands[0], operands[1], None)),
        _ => None,
    }),
    ("bias of convolutions left out", |graph, op, operands| match *op {
        Op::Conv2d { stride, padding } if operands.len() == 3 => {
            Some(graph.conv2d(operands[0], operands[1], None, stride, padding))
        }
        _ => None,
    }),
    ("padding on the other side", |graph, op, operands| match *op {
        Op::Conv2d { stride, padding: [top, left, bottom, right] } if top + bottom > 0 => {
            let padding = match top == bottom {
                true => [0, 0, top + bottom, left + right],
                false => [bottom, right, top, left],
            };
            Some(graph.conv2d(operands[0], operands[1], operands.get(2).copied(), stride, padding))
        }
        _ => None,
    }),
    ("activation left out", |_, op, operands| matches!(op, Op::Activation(_)).then(|| Ok(operands[0]))),
    ("another activation", |graph, op, operands| match op {
        Op::Activation(Activation::Relu) => Some(Ok(graph.activation(operands[0], Activation::Gelu))),
        Op::Activation(Activation::Tanh) => None,
        Op::Activation(_) => Some(Ok(graph.activation(operands[0], Activation::Relu))),
        _ => None,
    }),
    ("half the softmax scale", |graph, op, operands| match *op {
        Op::Attention { heads, scale, causal } => {
            Some(attention(graph, operands, heads, scale / 2.0, causal))
        }
        _ => None,
    }),
    ("half as many heads", |graph, op, operands| match *op {
        Op::Attention { heads, scale, causal } if heads % 2 == 0 => {
            Some(attention(graph, operands, heads / 2, scale, causal))
        }
        _ => None,
    }),
    ("no causal mask", |graph, op, operands| match *op {
        Op::Attention { heads, scale, causal: true } => Some(attention(graph, operands, heads, scale, false)),
        _ => None,
    }),
    ("attention left out", |_, op, operands| matches!(op, Op::Attention { .. }).then(|| Ok(operands[0]))),
    ("keys and values swapped", |graph, op, operands| match *op {
        Op::Attention { heads, scale, causal } => {
            Some(graph.attention(operands[0], operands[2], operands[1], heads, scale, causal))
        }
        _ => None,
    }),
    ("shortcut left out", |graph, op, operands| match op {
        Op::Add if graph.shape(operands[0]) == graph.shape(operands[1]) => Some(Ok(operands[1])),
        _ => None,
    }),
    ("time or position not added", |graph, op, operands| match op {
        Op::Add if graph.shape(operands[0]) != graph.shape(operands[1]) => Some(Ok(operands[0])),
        _ => None,
    }),
    ("sine and cosine swapped", |graph, op, operands| match *op {
        Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
            Some(graph.timestep_embedding(operands[0], dim, !flip_sin_to_cos, freq_shift))
        }
        _ => None,
    }),
    ("another freq_shift", |graph, op, operands| match *op {
        Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
            Some(graph.timestep_embedding(operands[0], dim, flip_sin_to_cos, 1.0 - freq_shift))
        }
        _ => None,
    }),
    ("always the same timestep", |graph, op, operands| match *op {
        Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
            let same = graph.affine(operands[0], 0.0, 500.0);
            Some(graph.timestep_embedding(same, dim, flip_sin_to_cos, freq_shift))
        }
        _ => None,
    }),
    ("scale and shift left out", |_, op, operands| matches!(op, Op::Affine { .. }).then(|| Ok(operands[0]))),
    ("product left out", |_, op, operands| matches!(op, Op::Multiply).then(|| Ok(operands[0]))),
    ("halves of GEGLU swapped", |graph, op, operands| match op {
        Op::Geglu => Some(swapped_halves(graph, operands[0]).and_then(|x| graph.geglu(x))),
        _ => None,
    }),
    ("the next token's embedding", |graph, op, operands| match op {
        Op::Embedding => {
            let next = graph.affine(operands[0], 1.0, 1.0);
            Some(graph.embedding(next, operands[1]))
        }
        _ => None,
    }),
    ("skip connection on the other side", |graph, op, operands| match op {
        Op::Concat => Some(graph.concat(&operands.iter().rev().copied().collect::<Vec<_>>())),
        _ => None,
    }),
    ("the other slice", |graph, op, operands| match *op {
        Op::Slice { start, len } => {
            let total = *graph.shape(operands[0]).last().expect("an axis");
            let other = if start == 0 { total - len } else { 0 };
            Some(graph.slice(operands[0], other, len))
        }
        _ => None,
    }),
    ("upsampling from too coarse a picture", |graph, op, operands| match *op {
        Op::Upsample { height, width } => {
            let [_, h, w, _] = *graph.shape(operands[0]) else { return None };
            if h < 2 || w < 2 {
                return None;
            }
            let coarse = graph.upsample(operands[0], h / 2, w / 2);
            Some(coarse.and_then(|coarse| graph.upsample(coarse, height, width)))
        }
        _ => None,
    }),
];

const DAMAGES: [(&str, Damage); 5] = [
    ("norms without their scale and shift", |name, array| {
        let is_norm = name.contains("norm");
        if is_norm {
            array.data.fill(if name.ends_with("weight") { 1.0 } else { 0.0 });
        }
        is_norm
    }),
    ("kernels transposed", |_, array| permute_kernel(array, |row, column, _, width| column * width + row)),
    ("kernels turned by 180 degrees", |_, array| {
        permute_kernel(array, |row, column, height, width| (height - 1 - row) * width + width - 1 - column)
    }),
    ("square matrices transposed", |name, array| {
        let [rows, columns] = array.shape[..] else { return false };
        if rows != columns || name.contains("embedding.weight") {
            return false;
        }
        let old = array.data.clone();
        for (index, value) in array.data.iter_mut().enumerate() {
            *value = old[index % columns * columns + index / columns];
        }
        true
    }),
    // Each head gets a channel of its neighbour's; the channels of the output keep their places. An autoencoder's
    // attention has a single head, which cannot be cut wrongly.
    ("heads cut one channel too late", |name, array| {
        if name.starts_with("encoder.mid_block") || name.starts_with("decoder.mid_block") {
            return false;
        }
        let projects = [".to_q.", ".to_k.", ".to_v.", ".q_proj.", ".k_proj.", ".v_proj."];
        let width = array.data.len() / array.shape[0];
        if projects.iter().any(|part| name.contains(part)) {
            array.data.rotate_right(width);
            return true;
        }
        let merges = name.ends_with(".to_out.0.weight") || name.ends_with(".out_proj.weight");
        if merges {
            array.data.chunks_mut(width).for_each(|row| row.rotate_right(1));
        }
        merges
    }),
];

fn attention(
    graph: &mut GraphBuilder,
    operands: &[Value],
    heads: usize,
    scale: f64,
    causal: bool,
) -> Result<Value> {
    graph.attention(operands[0], operands[1], operands[2], heads, scale, causal)
}

fn swapped_halves(graph: &mut GraphBuilder, x: Value) -> Result<Value> {
    let half = graph.shape(x).last().expect("an axis") / 2;
    let (first, second) = (graph.slice(x, 0, half)?, graph.slice(x, half, half)?);
    graph.concat(&[second, first])
}

/// Moves the weight at each place of every kernel to the place that `to(row, column, height, width)` says.
fn permute_kernel(array: &mut Array, to: impl Fn(usize, usize, usize, usize) -> usize) -> bool {
    let [_, _, height, width] = array.shape[..] else { return false };
    if height * width == 1 {
        return false;
    }
    for kernel in array.data.chunks_mut(height * width) {
        let old = kernel.to_vec();
        for (index, &value) in old.iter().enumerate() {
            kernel[to(index / width, index % width, height, width)] = value;
        }
    }
    true
}

/// `graph` with `change` applied wherever it has something to say, and how often it had.
fn rebuilt(graph: &Graph, change: Change) -> (Graph, usize) {
    let (mut builder, mut changed) = (GraphBuilder::new(), 0);
    let mut values: Vec<Value> = Vec::new();
    for (_, node) in graph.values() {
        let operands: Vec<Value> = node.operands.iter().map(|value| values[value.index()]).collect();
        let value = match change(&mut builder, &node.op, &operands) {
            Some(value) => {
                changed += 1;
                value
            }
            None => emit(&mut builder, node, &operands),
        };
        values.push(value.expect("an ablation that fits"));
    }
    for (name, value) in graph.outputs() {
        builder.output(name, values[value.index()]).expect("an output");
    }
    (builder.finish().expect("a graph"), changed)
}

/// The node as it was.
fn emit(graph: &mut GraphBuilder, node: &Node, operands: &[Value]) -> Result<Value> {
    let x = |index: usize| operands[index];
    match node.op {
        Op::Input { ref name } => graph.input(name, &node.shape),
        Op::Parameter { ref name } => graph.parameter(name, &node.shape),
        Op::Linear => graph.linear(x(0), x(1), operands.get(2).copied()),
        Op::Conv2d { stride, padding } => graph.conv2d(x(0), x(1), operands.get(2).copied(), stride, padding),
        Op::GroupNorm { groups, eps } => graph.group_norm(x(0), x(1), x(2), groups, eps),
        Op::LayerNorm { eps } => graph.layer_norm(x(0), x(1), x(2), eps),
        Op::Activation(activation) => Ok(graph.activation(x(0), activation)),
        Op::Add => graph.add(x(0), x(1)),
        Op::Multiply => graph.multiply(x(0), x(1)),
        Op::Affine { scale, shift } => Ok(graph.affine(x(0), scale, shift)),
        Op::Geglu => graph.geglu(x(0)),
        Op::Attention { heads, scale, causal } => attention(graph, operands, heads, scale, causal),
        Op::Embedding => graph.embedding(x(0), x(1)),
        Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
            graph.timestep_embedding(x(0), dim, flip_sin_to_cos, freq_shift)
        }
        Op::Upsample { height, width } => graph.upsample(x(0), height, width),
        Op::Concat => graph.concat(operands),
        Op::Slice { start, len } => graph.slice(x(0), start, len),
        Op::Reshape => graph.reshape(x(0), &node.shape),
    }
}

/// How far the first output is from PyTorch's.
fn moved(case: &Case, graph: &Graph, arrays: &HashMap<String, Array>) -> f64 {
    let outputs = interpret(graph, arrays).expect("a complete graph");
    let (name, golden) = &case.outputs[0];
    golden.relative_error(&outputs[*name].data)
}

/// Tries everything on the networks of a family; gives the ablations that changed something.
fn ablate(family: &'static str) -> Vec<&'static str> {
    let (mut tried, mut unseen) = (Vec::new(), Vec::new());
    let mut record = |case: &Case, ablation: &'static str, error: f64| {
        println!("{:36} {ablation:40} {error:.1e}", case.name);
        tried.push(ablation);
        // NaN is a large move too: a network without norms may overflow.
        if error <= MOVED {
            unseen.push(format!("{}: {ablation} moves the output by {error:.1e} only", case.name));
        }
    };
    for case in cases(family) {
        let arrays = case.arrays();
        for (ablation, change) in CHANGES {
            let (graph, changed) = rebuilt(&case.graph, change);
            if changed > 0 {
                record(&case, ablation, moved(&case, &graph, &arrays));
            }
        }
        for (ablation, damage) in DAMAGES {
            let mut damaged = arrays.clone();
            let count = damaged.iter_mut().filter(|(name, _)| is_parameter(&case, name));
            if count.filter_map(|(name, array)| damage(name, array).then_some(())).count() > 0 {
                record(&case, ablation, moved(&case, &case.graph, &damaged));
            }
        }
    }
    assert!(unseen.is_empty(), "parity would not see these mistakes: {unseen:#?}");
    tried
}

fn is_parameter(case: &Case, name: &str) -> bool {
    case.graph.parameters().any(|(parameter, _)| parameter == name)
}

#[test]
fn mistakes_in_stable_diffusion_show() {
    ablate("sd15");
}

#[test]
fn mistakes_in_the_options_show() {
    let tried: Vec<&str> = ["options_a", "options_b"].into_iter().flat_map(ablate).collect();
    let all = CHANGES.map(|(name, _)| name).into_iter().chain(DAMAGES.map(|(name, _)| name));
    let missing: Vec<&str> = all.filter(|name| !tried.contains(name)).collect();
    assert!(missing.is_empty(), "nothing was changed by: {missing:?}");
}
