//! The CPU executor against the f64 interpreter: every operation, every storage type, and who owns what.

#![cfg(feature = "cpu")]

use std::collections::HashMap;

use tenstep::burn::{Cpu, Plan, Tensor, Weights};
use tenstep::error::{Error, Result};
use tenstep::executor::{Command, Executor, MAX_TERMS, Term};
use tenstep::graph::{Activation, Array, Graph, GraphBuilder, Value, interpret};
use tenstep::weights::{DType, TensorInfo};

/// Norm of the difference over norm. f32 keeps 6e-8; the longest sums here have about 1000 terms.
const TOLERANCE: f64 = 1e-5;

/// A reproducible stream of numbers: a 64-bit linear congruential generator (Knuth's MMIX constants).
struct Numbers(u64);

impl Numbers {
    /// Uniform in `-1..1`, exact in f32.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32) / 8_388_608.0 - 1.0
    }

    fn take(&mut self, shape: &[usize]) -> Vec<f32> {
        (0..shape.iter().product()).map(|_| self.next()).collect()
    }
}

/// The stored form of some values, and the values that it stands for.
fn store(shape: &[usize], dtype: DType, values: &[f32]) -> (Vec<u8>, Vec<f64>) {
    let (mut bytes, kept): (Vec<u8>, Vec<f64>) = match dtype {
        DType::F32 => (
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            values.iter().map(|&v| v.into()).collect(),
        ),
        DType::F16 => {
            let halves = values.iter().map(|&v| half::f16::from_f32(v));
            (halves.clone().flat_map(|h| h.to_le_bytes()).collect(), halves.map(f64::from).collect())
        }
        DType::Int8 => {
            let rows = shape[0];
            let scales: Vec<f32> = (0..rows).map(|row| (1 + row) as f32 / 512.0).collect();
            let quantised: Vec<i8> = values.iter().map(|v| (v * 127.0) as i8).collect();
            let per_row = values.len() / rows;
            let kept =
                quantised.iter().enumerate().map(|(i, &q)| f64::from(scales[i / per_row]) * f64::from(q));
            let kept = kept.collect();
            let scales = scales.iter().flat_map(|scale| scale.to_le_bytes());
            (scales.chain(quantised.iter().map(|&q| q as u8)).collect(), kept)
        }
        DType::Int4 => {
            let (row, taps) = (values.len() / shape[0], shape.iter().skip(2).product::<usize>());
            let groups = (row / taps).div_ceil(32);
            let scales: Vec<f32> = (0..shape[0] * groups).map(|group| (1 + group) as f32 / 64.0).collect();
            let scale = |at: usize| f64::from(scales[at / row * groups + at % row / (32 * taps)]);
            let quantised: Vec<i8> = values.iter().map(|v| (v * 7.0) as i8).collect();
            let kept = quantised.iter().enumerate().map(|(at, &q)| scale(at) * f64::from(q)).collect();
            let halves = scales.iter().flat_map(|&scale| half::f16::from_f32(scale).to_le_bytes());
            let mut bytes: Vec<u8> = halves.collect();
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            let nibble = |at: usize| quantised.get(at).map_or(0, |&q| q as u8 & 15);
            bytes.extend((0..values.len()).step_by(2).map(|at| nibble(at) | nibble(at + 1) << 4));
            (bytes, kept)
        }
    };
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    (bytes, kept)
}

/// A model of random parameters: on the executor, and as the interpreter wants it.
struct Model {
    weights: Weights,
    values: HashMap<String, Array>,
}

fn model(parameters: &[(&str, &[usize], DType)], numbers: &mut Numbers) -> Model {
    let infos: Vec<TensorInfo> = parameters
        .iter()
        .map(|&(name, shape, dtype)| TensorInfo { name: name.to_owned(), shape: shape.to_vec(), dtype })
        .collect();
    let mut weights = Cpu.weights(&infos).expect("parameters of usual sizes");
    let mut values = HashMap::new();
    for (index, info) in infos.iter().enumerate() {
        let (bytes, kept) = store(&info.shape, info.dtype, &numbers.take(&info.shape));
        assert_eq!(bytes.len() as u64, info.stored_bytes().expect("small"));
        // The last piece first: a tensor may span shards, and shards come in any order.
        let cut = bytes.len() / 8 * 4;
        Cpu.push(&mut weights, index, cut as u64, &bytes[cut..]).expect("bytes inside the tensor");
        Cpu.push(&mut weights, index, 0, &bytes[..cut]).expect("bytes inside the tensor");
        values.insert(info.name.clone(), Array::new(&info.shape, kept));
    }
    Model { weights, values }
}

/// A model that holds the parameters of `graph`.
fn model_of(graph: &Graph, dtype: DType, numbers: &mut Numbers) -> Model {
    let parameters: Vec<_> =
        graph.parameters().map(|(name, value)| (name, graph.shape(value), dtype)).collect();
    model(&parameters, numbers)
}

fn plan(graph: &Graph, model: &Model) -> Plan {
    ready(Cpu.plan(graph, &model.weights)).expect("a plan")
}

/// The result of a future that is ready at once, as all of this executor's are.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("the CPU executor waited for something"),
    }
}

fn read(tensor: &Tensor) -> Vec<f32> {
    ready(Cpu.read(tensor)).expect("values")
}

/// Writes random inputs, or those given, and compares every output with the interpreter's.
fn evaluate_and_compare(
    graph: &Graph,
    model: &Model,
    plan: &Plan,
    given: &[(&str, Vec<f32>)],
    numbers: &mut Numbers,
) {
    let mut values = model.values.clone();
    for (name, value) in graph.inputs() {
        let shape = graph.shape(value);
        let input = given.iter().find(|(given, _)| *given == name);
        let input = input.map_or_else(|| numbers.take(shape), |(_, input)| input.clone());
        Cpu.write(Cpu.input(plan, name).expect("a declared input"), &input).expect("as many values");
        values.insert(name.to_owned(), Array::new(shape, input.iter().map(|&v| v.into()).collect()));
    }
    Cpu.submit(&[Command::Evaluate(plan)]).expect("an evaluation");
    for (name, expected) in interpret(graph, &values).expect("a complete graph") {
        let actual = read(Cpu.output(plan, &name).expect("a declared output"));
        let error = relative_error(&actual, &expected.data);
        assert!(error <= TOLERANCE, "output {name} is off by {error:e}");
    }
}

fn relative_error(actual: &[f32], expected: &[f64]) -> f64 {
    assert_eq!(actual.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = norm(&mut actual.iter().zip(expected).map(|(&a, b)| f64::from(a) - b));
    let size = norm(&mut expected.iter().copied());
    assert!(size > 0.0, "an output of zeros shows nothing");
    difference / size
}

/// Builds a graph with one output, and compares it on random values.
fn check(build: impl Fn(&mut GraphBuilder) -> Result<Value>) {
    check_given(&[], build);
}

fn check_given(given: &[(&str, Vec<f32>)], build: impl Fn(&mut GraphBuilder) -> Result<Value>) {
    let graph = graph(build);
    let mut numbers = Numbers(graph.nodes().len() as u64);
    let model = model_of(&graph, DType::F32, &mut numbers);
    evaluate_and_compare(&graph, &model, &plan(&graph, &model), given, &mut numbers);
}

fn graph(build: impl Fn(&mut GraphBuilder) -> Result<Value>) -> Graph {
    let mut builder = GraphBuilder::new();
    let y = build(&mut builder).expect("shapes that fit");
    builder.output("y", y).expect("a computed value");
    builder.finish().expect("an output")
}

#[test]
fn linear() {
    for (x, n, bias) in [
        (vec![1, 5], 3, true),
        (vec![2, 7, 13], 9, false),
        (vec![3, 1], 1, true),
        (vec![2, 65, 192], 67, true),
        (vec![17], 4, true),
    ] {
        check(|g| {
            let k = x[x.len() - 1];
            let input = g.input("x", &x)?;
            let weight = g.parameter("weight", &[n, k])?;
            let bias = if bias { Some(g.parameter("bias", &[n])?) } else { None };
            g.linear(input, weight, bias)
        });
    }
}

#[test]
fn linear_with_a_convolutional_weight() {
    check(|g| {
        let x = g.input("x", &[2, 3, 5, 6])?;
        let weight = g.parameter("weight", &[7, 6, 1, 1])?;
        g.linear(x, weight, None)
    });
}

#[test]
fn weights_that_are_computed() {
    check(|g| {
        let x = g.input("x", &[1, 5, 4, 3])?;
        let kernel = g.parameter("kernel", &[20, 3, 3, 2])?;
        let delta = g.input("delta", &[20, 3, 3, 2])?;
        let kernel = g.add(kernel, delta)?;
        let x = g.conv2d(x, kernel, None, 1, [1; 4])?;
        let fused = g.parameter("fused", &[7, 45])?;
        let weight = g.slice(fused, 3, 20)?;
        g.linear(x, weight, None)
    });
}

#[test]
fn conv2d() {
    // x, [O, kh, kw], stride, padding
    for (x, [o, kh, kw], stride, padding) in [
        ([2, 8, 8, 16], [16, 3, 3], 1, [1; 4]),
        ([1, 7, 5, 3], [5, 3, 3], 1, [1; 4]),
        ([2, 9, 6, 4], [3, 3, 3], 2, [1; 4]),
        ([1, 8, 8, 3], [4, 3, 3], 2, [0, 0, 1, 1]),
        ([2, 6, 7, 5], [6, 1, 1], 1, [0; 4]),
        ([1, 6, 7, 5], [2, 1, 1], 2, [0; 4]),
        ([1, 6, 7, 5], [2, 1, 1], 1, [1, 0, 0, 2]),
        ([1, 11, 9, 2], [3, 5, 2], 3, [2, 1, 0, 3]),
        ([1, 1, 1, 3], [2, 3, 3], 1, [1; 4]),
        ([1, 2, 2, 3], [2, 2, 2], 1, [3; 4]),
        // More patches than are gathered at once.
        ([1, 37, 41, 32], [5, 3, 3], 1, [1; 4]),
    ] {
        check(|g| {
            let input = g.input("x", &x)?;
            let weight = g.parameter("weight", &[o, x[3], kh, kw])?;
            let bias = g.parameter("bias", &[o])?;
            g.conv2d(input, weight, Some(bias), stride, padding)
        });
    }
}

#[test]
fn conv2d_without_bias() {
    check(|g| {
        let x = g.input("x", &[1, 4, 5, 3])?;
        let weight = g.parameter("weight", &[2, 3, 3, 3])?;
        g.conv2d(x, weight, None, 1, [1; 4])
    });
}

#[test]
fn group_norm() {
    for (x, groups) in [(vec![2, 9, 7, 64], 32), (vec![3, 5, 12], 3), (vec![2, 130, 6], 6), (vec![2, 10], 1)]
    {
        check(|g| {
            let c = x[x.len() - 1];
            let input = g.input("x", &x)?;
            // Far from zero: the variance must not be taken as a difference of large squares.
            let input = g.affine(input, 1.0, 30.0);
            let gamma = g.parameter("gamma", &[c])?;
            let beta = g.parameter("beta", &[c])?;
            g.group_norm(input, gamma, beta, groups, 1e-5)
        });
    }
}

#[test]
fn layer_norm() {
    for x in [vec![2, 5, 192], vec![1, 7], vec![3, 4, 11]] {
        check(|g| {
            let width = x[x.len() - 1];
            let input = g.input("x", &x)?;
            let input = g.affine(input, 2.0, -10.0);
            let gamma = g.parameter("gamma", &[width])?;
            let beta = g.parameter("beta", &[width])?;
            g.layer_norm(input, gamma, beta, 1e-5)
        });
    }
}

#[test]
fn activations() {
    use Activation::{Gelu, GeluTanh, QuickGelu, Relu, Silu, Tanh};
    for activation in [Silu, Gelu, GeluTanh, QuickGelu, Relu, Tanh] {
        // Around zero, over the bend, and where an exponential overflows.
        for scale in [0.01, 5.0, 300.0] {
            check(|g| {
                let x = g.input("x", &[3, 101])?;
                let x = g.affine(x, scale, 0.0);
                Ok(g.activation(x, activation))
            });
        }
    }
}

#[test]
fn geglu() {
    check(|g| {
        let x = g.input("x", &[2, 3, 34])?;
        let x = g.affine(x, 4.0, 0.0);
        g.geglu(x)
    });
}

#[test]
fn add_and_multiply_with_every_kind_of_repetition() {
    for (x, y) in [
        (vec![2, 3, 4, 5], vec![2, 3, 4, 5]),
        (vec![2, 3, 4, 5], vec![2, 1, 1, 5]),
        (vec![2, 3, 4, 5], vec![1, 1, 1, 5]),
        (vec![2, 3, 4, 5], vec![1, 1, 1, 1]),
        (vec![2, 3, 4, 5], vec![2, 3, 4, 1]),
        (vec![2, 3, 4, 5], vec![2, 1, 4, 1]),
        (vec![2, 3, 4, 5], vec![1, 3, 1, 5]),
        (vec![7], vec![7]),
        (vec![2, 1, 3], vec![2, 1, 1]),
    ] {
        for multiply in [false, true] {
            check(|g| {
                let a = g.input("x", &x)?;
                let b = g.input("y", &y)?;
                if multiply { g.multiply(a, b) } else { g.add(a, b) }
            });
        }
    }
}

#[test]
fn a_value_combined_with_itself() {
    check(|g| {
        let x = g.input("x", &[4, 5])?;
        let x = g.affine(x, 2.0, 1.0);
        let doubled = g.add(x, x)?;
        g.multiply(doubled, doubled)
    });
}

#[test]
fn attention() {
    // batch, queries, keys, heads, head size, scale, causal
    for (batch, queries, keys, heads, size, scale, causal) in [
        (2, 17, 5, 3, 4, 0.5, false),
        (1, 64, 64, 8, 8, 8.0, false),
        (2, 9, 9, 2, 7, 1.0, true),
        (1, 1, 1, 1, 1, 1.0, true),
        // Several blocks of queries.
        (1, 403, 700, 1, 3, 2.0, false),
        (1, 500, 500, 2, 3, 2.0, true),
    ] {
        check(|g| {
            let q = g.input("q", &[batch, queries, heads * size])?;
            let k = g.input("k", &[batch, keys, heads * size])?;
            let v = g.input("v", &[batch, keys, heads * size])?;
            g.attention(q, k, v, heads, scale, causal)
        });
    }
}

#[test]
fn attention_with_logits_in_the_hundreds() {
    check(|g| {
        let q = g.input("q", &[1, 6, 8])?;
        let k = g.input("k", &[1, 7, 8])?;
        let v = g.input("v", &[1, 7, 8])?;
        g.attention(q, k, v, 2, 400.0, false)
    });
}

#[test]
fn embedding_clamps_ids() {
    check_given(&[("ids", vec![0.0, 4.0, 2.0, -3.0, 5.0, 1e9])], |g| {
        let ids = g.input("ids", &[2, 3])?;
        let table = g.parameter("table", &[5, 7])?;
        g.embedding(ids, table)
    });
}

#[test]
fn timestep_embedding() {
    for (flip, shift) in [(true, 0.0), (false, 1.0), (true, 0.5)] {
        check_given(&[("t", vec![0.0, 999.0, 451.375])], |g| {
            let t = g.input("t", &[3])?;
            g.timestep_embedding(t, 34, flip, shift)
        });
    }
}

#[test]
fn upsample() {
    for (height, width) in [(8, 10), (4, 5), (7, 13), (3, 2)] {
        check(|g| {
            let x = g.input("x", &[2, 4, 5, 3])?;
            g.upsample(x, height, width)
        });
    }
}

#[test]
fn concat_slice_and_reshape() {
    check(|g| {
        let a = g.input("a", &[2, 3, 5])?;
        let b = g.input("b", &[2, 3, 1])?;
        let joined = g.concat(&[a, b, a])?;
        let part = g.slice(joined, 3, 6)?;
        g.reshape(part, &[4, 9])
    });
}

#[test]
fn storage_types() {
    for dtype in [DType::F32, DType::F16, DType::Int8, DType::Int4] {
        let graph = graph(|g| {
            let ids = g.input("ids", &[1, 2, 2])?;
            let table = g.parameter("table", &[9, 35])?;
            let x = g.embedding(ids, table)?;
            let weight = g.parameter("conv.weight", &[5, 35, 3, 3])?;
            let bias = g.parameter("conv.bias", &[5])?;
            let x = g.conv2d(x, weight, Some(bias), 1, [1; 4])?;
            let weight = g.parameter("linear.weight", &[3, 5])?;
            g.linear(x, weight, None)
        });
        let mut numbers = Numbers(11);
        let model = model_of(&graph, dtype, &mut numbers);
        let ids = vec![("ids", vec![3.0, 8.0, 0.0, 5.0])];
        evaluate_and_compare(&graph, &model, &plan(&graph, &model), &ids, &mut numbers);
    }
}

/// A residual network that reads its input late, branches, and has two outputs.
fn branching(size: usize) -> Graph {
    let build = || -> Result<Graph> {
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[1, size, size, 4])?;
        let t = g.input("t", &[1])?;
        let weight = g.parameter("conv.weight", &[4, 4, 3, 3])?;
        let gamma = g.parameter("norm.gamma", &[4])?;
        let beta = g.parameter("norm.beta", &[4])?;
        let h = g.group_norm(x, gamma, beta, 2, 1e-5)?;
        let h = g.activation(h, Activation::Silu);
        let h = g.conv2d(h, weight, None, 1, [1; 4])?;
        let e = g.timestep_embedding(t, 4, true, 0.0)?;
        let e = g.reshape(e, &[1, 1, 1, 4])?;
        let h = g.add(h, e)?;
        let unused = g.affine(h, 5.0, 5.0);
        g.activation(unused, Activation::Tanh);
        let mid = g.affine(h, 0.5, 0.0);
        let sum = g.add(h, x)?;
        let sum = g.conv2d(sum, weight, None, 1, [1; 4])?;
        g.output("y", sum)?;
        g.output("mid", mid)?;
        g.finish()
    };
    build().expect("shapes that fit")
}

#[test]
fn two_models_and_two_sizes_at_once() {
    let (small, large) = (branching(5), branching(9));
    let mut numbers = Numbers(3);
    let models = [model_of(&small, DType::F32, &mut numbers), model_of(&small, DType::F16, &mut numbers)];
    let plans: Vec<[Plan; 2]> =
        models.iter().map(|model| [plan(&small, model), plan(&large, model)]).collect();
    for _ in 0..2 {
        for (model, [small_plan, large_plan]) in models.iter().zip(&plans) {
            evaluate_and_compare(&small, model, small_plan, &[], &mut numbers);
            evaluate_and_compare(&large, model, large_plan, &[], &mut numbers);
        }
    }
}

#[test]
fn evaluating_twice_gives_the_same_and_leaves_inputs_alone() {
    let graph = branching(6);
    let mut numbers = Numbers(5);
    let model = model_of(&graph, DType::F32, &mut numbers);
    let plan = plan(&graph, &model);
    let x = numbers.take(&[1, 6, 6, 4]);
    let input = Cpu.input(&plan, "x").expect("an input");
    Cpu.write(input, &x).expect("as many values");
    let y = Cpu.output(&plan, "y").expect("an output");
    Cpu.submit(&[Command::Evaluate(&plan)]).expect("an evaluation");
    let first = read(y);
    Cpu.submit(&[Command::Evaluate(&plan)]).expect("an evaluation");
    assert_eq!(read(y), first);
    assert_eq!(read(input), x);
}

#[test]
fn a_table_that_is_also_a_matrix() {
    // Tied weights: the same parameter as rows of a table and as the weight of a linear map, in either order.
    let table_first = graph(|g| {
        let ids = g.input("ids", &[2])?;
        let table = g.parameter("table", &[6, 5])?;
        let x = g.embedding(ids, table)?;
        g.linear(x, table, None)
    });
    let matrix_only = graph(|g| {
        let x = g.input("x", &[3, 5])?;
        let table = g.parameter("table", &[6, 5])?;
        g.linear(x, table, None)
    });
    let mut numbers = Numbers(17);
    let model = model_of(&table_first, DType::F32, &mut numbers);
    let ids = vec![("ids", vec![5.0, 1.0])];
    for _ in 0..2 {
        evaluate_and_compare(&matrix_only, &model, &plan(&matrix_only, &model), &[], &mut numbers);
        evaluate_and_compare(&table_first, &model, &plan(&table_first, &model), &ids, &mut numbers);
    }
}

fn tensor(values: &[f32]) -> Tensor {
    let tensor = Cpu.tensor(&[values.len()]).expect("memory");
    Cpu.write(&tensor, values).expect("as many values");
    tensor
}

fn combine(out: &Tensor, offset: usize, len: usize, terms: &[(f32, &Tensor, usize)]) -> Result<()> {
    let terms = terms.iter().map(|&(coefficient, tensor, offset)| Term { coefficient, tensor, offset });
    Cpu.submit(&[Command::Combine { out, offset, len, terms: terms.collect() }])
}

#[test]
fn combine_sums_terms_at_offsets() {
    let (a, b) = (tensor(&[1.0, 2.0, 3.0, 4.0]), tensor(&[10.0, 20.0, 30.0]));
    let out = tensor(&[-1.0; 5]);
    combine(&out, 1, 2, &[(2.0, &a, 1), (0.5, &b, 0), (-1.0, &a, 2)]).expect("terms that fit");
    assert_eq!(read(&out), [-1.0, 6.0, 12.0, -1.0, -1.0]);
}

#[test]
fn combine_may_read_what_it_writes() {
    let x = tensor(&[1.0, 2.0, 3.0]);
    let alias = x.clone();
    combine(&x, 1, 2, &[(2.0, &alias, 1), (1.0, &x, 1)]).expect("terms that fit");
    assert_eq!(read(&alias), [1.0, 6.0, 9.0]);
}

#[test]
fn combine_of_nothing_clears() {
    let x = tensor(&[1.0, 2.0]);
    combine(&x, 0, 1, &[]).expect("no term");
    assert_eq!(read(&x), [0.0, 2.0]);
}

#[test]
fn combine_refuses_what_does_not_fit() {
    let x = tensor(&[1.0, 2.0, 3.0]);
    let many = vec![(1.0, &x, 0); MAX_TERMS + 1];
    for result in [
        combine(&x, 2, 2, &[(1.0, &x, 0)]),
        combine(&x, 0, 2, &[(1.0, &x, 2)]),
        combine(&x, usize::MAX, 2, &[]),
        combine(&x, 0, 3, &many),
    ] {
        assert_eq!(result.expect_err("it does not fit").code(), "shape-mismatch");
    }
    assert_eq!(read(&x), [1.0, 2.0, 3.0]);
}

#[test]
fn a_copy_holds_the_values_of_its_moment() {
    let x = tensor(&[1.0, 2.0]);
    let mut copy = Cpu.begin_read(&[&x]).expect("a copy").expect("room for it");
    Cpu.write(&x, &[3.0, 4.0]).expect("as many values");
    assert_eq!(pollster::block_on(Cpu.try_read(&mut copy)).expect("values"), Some(vec![1.0, 2.0]));
    assert_eq!(read(&x), [3.0, 4.0]);
}

#[test]
fn write_refuses_another_number_of_values() {
    let x = tensor(&[1.0, 2.0]);
    assert_eq!(Cpu.write(&x, &[1.0]).expect_err("one value for two").code(), "shape-mismatch");
}

fn info(name: &str, shape: &[usize], dtype: DType) -> TensorInfo {
    TensorInfo { name: name.to_owned(), shape: shape.to_vec(), dtype }
}

fn plan_error(graph: &Graph, weights: &Weights) -> Error {
    ready(Cpu.plan(graph, weights)).err().expect("a plan that cannot be")
}

#[test]
fn plan_names_a_parameter_that_is_missing_misshapen_or_incomplete() {
    let graph = graph(|g| {
        let x = g.input("x", &[1, 2])?;
        let weight = g.parameter("weight", &[2, 2])?;
        g.linear(x, weight, None)
    });
    let none = Cpu.weights(&[]).expect("no tensors");
    assert_eq!(plan_error(&graph, &none), Error::MissingTensor { tensor: "weight".to_owned() });

    let mut incomplete = Cpu.weights(&[info("weight", &[2, 2], DType::F32)]).expect("one tensor");
    Cpu.push(&mut incomplete, 0, 0, &[0; 12]).expect("bytes inside the tensor");
    assert_eq!(plan_error(&graph, &incomplete), Error::MissingTensor { tensor: "weight".to_owned() });

    let other = Cpu.weights(&[info("weight", &[4], DType::F32)]).expect("one tensor");
    let expected = Error::TensorShape { tensor: "weight".to_owned(), expected: vec![2, 2], actual: vec![4] };
    assert_eq!(plan_error(&graph, &other), expected);
}

#[test]
fn pushes_that_overlap_or_repeat_are_counted_once() {
    let graph = graph(|g| {
        let x = g.input("x", &[1, 2])?;
        let weight = g.parameter("weight", &[1, 2])?;
        g.linear(x, weight, None)
    });
    let mut weights = Cpu.weights(&[info("weight", &[1, 2], DType::F32)]).expect("one tensor");
    for _ in 0..2 {
        Cpu.push(&mut weights, 0, 0, &3.0f32.to_le_bytes()).expect("bytes inside the tensor");
        assert_eq!(plan_error(&graph, &weights).code(), "missing-tensor");
    }
    let both: Vec<u8> = [3.0f32, 5.0].iter().flat_map(|value| value.to_le_bytes()).collect();
    Cpu.push(&mut weights, 0, 0, &both).expect("bytes inside the tensor");
    let plan = ready(Cpu.plan(&graph, &weights)).expect("complete weights");
    Cpu.write(Cpu.input(&plan, "x").expect("an input"), &[1.0, 10.0]).expect("as many values");
    Cpu.submit(&[Command::Evaluate(&plan)]).expect("an evaluation");
    assert_eq!(read(Cpu.output(&plan, "y").expect("an output")), [53.0]);
}

#[test]
fn weights_refuse_what_cannot_be() {
    let refused = [
        vec![info("w", &[usize::MAX, 3], DType::F32)],
        vec![info("w", &[usize::MAX / 2], DType::F32)],
        vec![info("w", &[1], DType::F32), info("w", &[1], DType::F32)],
    ];
    for tensors in refused {
        assert_eq!(Cpu.weights(&tensors).err().map(|error| error.code()), Some("invalid-manifest"));
    }
    let mut weights = Cpu.weights(&[info("w", &[3], DType::F16)]).expect("one tensor");
    for (tensor, offset, bytes) in [(0, 8, 4), (0, 4, 8), (0, u64::MAX, 4), (1, 0, 4)] {
        let error = Cpu.push(&mut weights, tensor, offset, &vec![0; bytes]).expect_err("outside the tensor");
        assert_eq!(error.code(), "invalid-manifest");
    }
    Cpu.push(&mut weights, 0, 0, &[0; 8]).expect("the whole tensor");
    assert!(Cpu.push(&mut weights, 0, 0, &[0; 4]).is_err());
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    assert_eq!(Cpu.tensor(&[1 << 60]).err().map(|error| error.code()), Some("out-of-memory"));
    let mut weights = Cpu.weights(&[info("w", &[1 << 58], DType::F32)]).expect("only a promise");
    let error = Cpu.push(&mut weights, 0, 0, &[0; 4]).expect_err("more than there is");
    assert_eq!(error.code(), "out-of-memory");

    let graph = graph(|g| {
        let x = g.input("x", &[1, 1, 1, 1])?;
        let wide = g.upsample(x, 1 << 30, 1 << 30)?;
        g.upsample(wide, 1, 1)
    });
    let none = Cpu.weights(&[]).expect("no tensors");
    assert_eq!(plan_error(&graph, &none).code(), "out-of-memory");
}

#[test]
fn unknown_names_are_none() {
    let graph = branching(4);
    let model = model_of(&graph, DType::F32, &mut Numbers(1));
    let plan = plan(&graph, &model);
    assert!(Cpu.input(&plan, "y").is_none());
    assert!(Cpu.output(&plan, "x").is_none());
}

#[test]
fn not_a_number_reaches_the_output() {
    let graph = branching(4);
    let model = model_of(&graph, DType::F32, &mut Numbers(1));
    let plan = plan(&graph, &model);
    Cpu.write(Cpu.input(&plan, "x").expect("an input"), &[f32::NAN; 64]).expect("as many values");
    Cpu.submit(&[Command::Evaluate(&plan)]).expect("an evaluation");
    assert!(read(Cpu.output(&plan, "y").expect("an output")).iter().all(|value| value.is_nan()));
}
