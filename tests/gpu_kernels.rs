//! Every operation on the GPU against the f64 interpreter: random shapes with odd tails, and shapes of real networks.

#![cfg(feature = "native")]

mod gpu_support;

use std::borrow::Borrow;
use std::fmt::Display;

use gpu_support::lacking::leave_out;
use gpu_support::{Case, Random, gpu, gpu_with};
use pollster::block_on;
use tenstep::Result;
use tenstep::executor::{Arithmetic, Executor};
use tenstep::gpu::{Gpu, GpuOptions};
use tenstep::graph::{Activation, Graph, GraphBuilder};
use tenstep::weights::DType;

/// Ceilings of the relative error, by operation, some three times what was measured on lavapipe.
const MOVES: f64 = 0.0;
const ELEMENTWISE: f64 = 4e-7;
/// The inputs have mean 30 and variance 1, so that rounding them costs 30 · 2⁻²⁵ ≈ 1e-6 before anything is computed.
const NORM: f64 = 4e-6;
const PRODUCT: f64 = 8e-7;
/// Factors of 11 significant bits, and sums of 16 products.
const PRODUCT_F16: f64 = 3e-3;
/// Inputs of 8 bits, by the largest of a slab.
const PRODUCT_INT8: f64 = 7e-3;
/// Logits of standard deviation 4: an error of theirs is multiplied in the exponential.
const ATTENTION: f64 = 2e-6;

fn check(name: &str, bound: f64, cases: impl IntoIterator<Item = (impl Display, Case)>) -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    check_on(&gpu, name, bound, cases)
}

/// As on a GPU, and as on a processor in disguise.
fn check_forms(name: &str, bound: f64, cases: Vec<(String, Case)>) -> Result<()> {
    for many_threads in [true, false] {
        let options = GpuOptions { many_threads: Some(many_threads), ..GpuOptions::default() };
        let Some(gpu) = gpu_with(options) else { return Ok(()) };
        let cases = cases.iter().map(|(label, case)| (label, case));
        check_on(&gpu, &format!("{name}, many threads {many_threads}"), bound, cases)?;
    }
    Ok(())
}

fn check_on(
    gpu: &Gpu,
    name: &str,
    bound: f64,
    cases: impl IntoIterator<Item = (impl Display, impl Borrow<Case>)>,
) -> Result<()> {
    let mut worst: f64 = 0.0;
    for (label, case) in cases {
        let error = case.borrow().error(gpu)?;
        assert!(error <= bound, "{name} {label}: relative error {error:.2e} exceeds {bound:.0e}");
        worst = worst.max(error);
    }
    println!("{name}: worst relative error {worst:.2e} of {bound:.0e}");
    Ok(())
}

fn one(build: impl FnOnce(&mut GraphBuilder) -> Result<tenstep::graph::Value>) -> Result<Graph> {
    let mut builder = GraphBuilder::new();
    let value = build(&mut builder)?;
    builder.output("y", value)?;
    builder.finish()
}

const DTYPES: [DType; 4] = [DType::F32, DType::F16, DType::Int8, DType::Int4];

/// Tiles of every size, sums that two groups of threads share, sums in parts, odd tails.
#[test]
fn conv2d() -> Result<()> {
    check_forms("conv2d", PRODUCT, convolutions(DTYPES)?)
}

/// With factors and sums of a slab in f16, where the device has them.
#[test]
fn products_in_f16() -> Result<()> {
    check_in(Arithmetic::F16, PRODUCT_F16, DTYPES)
}

/// By integer dot products, where the weights are integers.
#[test]
fn products_in_int8() -> Result<()> {
    check_in(Arithmetic::Int8, PRODUCT_INT8, [DType::Int8])?;
    check_in(Arithmetic::Int8, PRODUCT, [DType::F32, DType::F16])
}

fn check_in<const N: usize>(arithmetic: Arithmetic, bound: f64, dtypes: [DType; N]) -> Result<()> {
    let options = GpuOptions { many_threads: Some(true), arithmetic, ..GpuOptions::default() };
    let Some(gpu) = gpu_with(options) else { return Ok(()) };
    if gpu.report().arithmetic != arithmetic {
        leave_out(&gpu, &format!("products in {arithmetic:?}"));
        return Ok(());
    }
    let mut cases = convolutions(dtypes)?;
    // Integers up to 127 times numbers in the thousands: f16 ends at 65,504.
    for dtype in dtypes {
        let graph = one(|g| {
            let x = g.input("x", &[70, 200])?;
            let w = g.parameter("w", &[60, 200])?;
            g.linear(x, w, None)
        })?;
        let mut case = Case::random(graph, dtype, 1);
        case.inputs.values_mut().flatten().for_each(|value| *value *= 800.0);
        cases.push((format!("large, {dtype:?}"), case));
    }
    check_on(&gpu, &format!("products in {arithmetic:?}"), bound, cases)
}

type Convolution = ([usize; 4], usize, [usize; 2], usize, [usize; 4]);

/// [B, H, W, C], O, kernel, stride, padding
const CONVOLUTIONS: [Convolution; 22] = [
    ([2, 32, 32, 128], 128, [3, 3], 1, [1; 4]),
    ([1, 16, 16, 64], 96, [3, 3], 2, [1; 4]),
    ([1, 16, 16, 32], 32, [3, 3], 2, [0, 0, 1, 1]),
    ([2, 8, 8, 320], 320, [1, 1], 1, [0; 4]),
    ([1, 64, 64, 4], 64, [3, 3], 1, [1; 4]),
    ([1, 96, 96, 4], 96, [3, 3], 1, [1; 4]),
    ([1, 32, 32, 64], 3, [3, 3], 1, [1; 4]),
    // As many rows as large tiles are for.
    ([1, 128, 128, 4], 64, [3, 3], 1, [1; 4]),
    ([1, 128, 128, 3], 32, [3, 3], 1, [1; 4]),
    ([1, 96, 96, 5], 40, [3, 3], 1, [1; 4]),
    ([3, 7, 5, 9], 13, [3, 3], 1, [1; 4]),
    // By Winograd's algorithm, where the weights are f32: sides that are odd, and tiles of less than four pixels.
    ([3, 7, 5, 20], 36, [3, 3], 1, [1; 4]),
    ([2, 1, 3, 8], 12, [3, 3], 1, [1; 4]),
    ([1, 50, 34, 12], 40, [3, 3], 1, [1; 4]),
    ([1, 9, 11, 5], 6, [5, 3], 3, [2, 1, 0, 3]),
    ([2, 1, 1, 1], 1, [1, 1], 1, [0; 4]),
    // A handful of rows.
    ([2, 2, 2, 40], 132, [3, 3], 1, [1; 4]),
    ([1, 1, 3, 70], 200, [1, 1], 1, [0; 4]),
    ([2, 4, 4, 192], 192, [3, 3], 1, [1; 4]),
    ([3, 7, 5, 75], 45, [3, 3], 1, [1; 4]),
    ([1, 6, 6, 1024], 320, [1, 1], 1, [0; 4]),
    // A long sum in few tiles, of which the last part is a short one.
    ([1, 3, 3, 301], 90, [3, 3], 1, [1; 4]),
];

fn convolutions<const N: usize>(dtypes: [DType; N]) -> Result<Vec<(String, Case)>> {
    let mut cases = Vec::new();
    for (seed, (x, outputs, [kh, kw], stride, padding)) in CONVOLUTIONS.into_iter().enumerate() {
        for dtype in dtypes {
            let graph = one(|g| {
                let input = g.input("x", &x)?;
                let w = g.parameter("w", &[outputs, x[3], kh, kw])?;
                let b = g.parameter("b", &[outputs])?;
                g.conv2d(input, w, (seed % 3 != 2).then_some(b), stride, padding)
            })?;
            cases.push((format!("{x:?} -> {outputs} {dtype:?}"), Case::random(graph, dtype, seed as u64)));
        }
    }
    Ok(cases)
}

#[test]
fn linear() -> Result<()> {
    let mut random = Random::new(7);
    let mut shapes = vec![(1, 1280, 320), (2, 320, 1280), (8, 77, 33), (9, 64, 64), (154, 768, 320)];
    shapes.extend((0..6).map(|_| (1 + random.below(70), 1 + random.below(90), 1 + random.below(90))));
    let mut cases = Vec::new();
    for (seed, (rows, inputs, outputs)) in shapes.into_iter().enumerate() {
        for dtype in DTYPES {
            let graph = one(|g| {
                let x = g.input("x", &[rows, inputs])?;
                let w = g.parameter("w", &[outputs, inputs])?;
                let b = g.parameter("b", &[outputs])?;
                g.linear(x, w, Some(b))
            })?;
            let label = format!("{rows} x {inputs} -> {outputs} {dtype:?}");
            cases.push((label, Case::random(graph, dtype, seed as u64)));
        }
    }
    check("linear", PRODUCT, cases)
}

/// A linear map whose outputs are numbers and their gates: one dispatch where they come in whole units, else two.
#[test]
fn gated_products() -> Result<()> {
    let gated = |[rows, inputs, width]: [usize; 3], has_bias: bool| {
        one(|g| {
            let x = g.input("x", &[rows, inputs])?;
            let w = g.parameter("w", &[2 * width, inputs])?;
            let bias = if has_bias { Some(g.parameter("bias", &[2 * width])?) } else { None };
            let y = g.linear(x, w, bias)?;
            g.geglu(y)
        })
    };
    let mut cases = Vec::new();
    for (seed, dtype) in DTYPES.into_iter().enumerate() {
        let extents = [
            ([3, 21, 8], true),
            ([70, 21, 36], true),
            ([150, 21, 12], false),
            ([70, 21, 10], true),
            ([20, 300, 36], true),
        ];
        for (extents, has_bias) in extents {
            let case = Case::random(gated(extents, has_bias)?, dtype, seed as u64);
            cases.push((format!("{dtype:?} {extents:?}, bias {has_bias}"), case));
        }
    }
    // One matrix with a gate and without: it is there in both forms.
    let graph = one(|g| {
        let x = g.input("x", &[9, 16])?;
        let w = g.parameter("w", &[32, 16])?;
        let first = g.linear(x, w, None)?;
        let first = g.geglu(first)?;
        let second = g.linear(first, w, None)?;
        let part = g.slice(second, 8, 16)?;
        g.add(part, first)
    })?;
    for dtype in [DType::Int8, DType::Int4] {
        let case = Case::random(graph.clone(), dtype, 9);
        cases.push((format!("one matrix, gated and not, {dtype:?}"), case));
    }
    check("gated product", PRODUCT, cases)?;

    let dispatches = |max_binding_bytes: Option<u64>, extents: [usize; 3]| -> Result<Option<usize>> {
        let options = GpuOptions { max_binding_bytes, ..GpuOptions::default() };
        let Some(gpu) = gpu_with(options) else { return Ok(None) };
        let case = Case::random(gated(extents, true)?, DType::F32, 1);
        let plan = block_on(gpu.plan(&case.graph, &case.weights(&gpu)?))?;
        assert!(case.error(&gpu)? <= PRODUCT);
        Ok(Some(plan.dispatch_count()))
    };
    for (max_binding_bytes, extents, expected) in [
        (None, [20, 90, 16], 1),
        (None, [20, 90, 10], 2),
        // The matrix takes two pieces there, and a number is not in the same as its gate.
        (Some(10 << 10), [20, 90, 16], 3),
    ] {
        assert_eq!(dispatches(max_binding_bytes, extents)?.unwrap_or(expected), expected);
    }
    Ok(())
}

/// Winograd's algorithm takes two dispatches; more where a binding holds a part of the products only.
#[test]
fn convolutions_by_winograds_algorithm() -> Result<()> {
    let graph = |outputs: usize, stride: usize| {
        one(|g| {
            let x = g.input("x", &[2, 18, 12, 16])?;
            let w = g.parameter("w", &[outputs, 16, 3, 3])?;
            let b = g.parameter("b", &[outputs])?;
            let y = g.conv2d(x, w, Some(b), stride, [1; 4])?;
            let y = g.activation(y, Activation::Silu);
            let other = g.input("other", &[2, 18 / stride, 12 / stride, outputs])?;
            g.add(y, other)
        })
    };
    let dispatches = |max_binding_bytes: Option<u64>, graph: Graph, dtype: DType| -> Result<Option<usize>> {
        let options = GpuOptions { max_binding_bytes, ..GpuOptions::default() };
        let Some(gpu) = gpu_with(options) else { return Ok(None) };
        let case = Case::random(graph, dtype, 2);
        let plan = block_on(gpu.plan(&case.graph, &case.weights(&gpu)?))?;
        let error = case.error(&gpu)?;
        assert!(error <= PRODUCT, "{max_binding_bytes:?} {dtype:?}: {error:e}");
        Ok(Some(plan.dispatch_count()))
    };
    for (max_binding_bytes, graph, dtype, expected) in [
        (None, graph(16, 1)?, DType::F32, 2),
        (None, graph(16, 1)?, DType::F16, 1),
        (None, graph(16, 1)?, DType::Int8, 1),
        (None, graph(16, 1)?, DType::Int4, 1),
        (None, graph(14, 1)?, DType::F32, 1),
        (None, graph(16, 2)?, DType::F32, 1),
        // The picture takes 27 KiB, and its products 108: they are made five lines of tiles at a time.
        (Some(32 << 10), graph(16, 1)?, DType::F32, 8),
    ] {
        let made = dispatches(max_binding_bytes, graph, dtype)?.unwrap_or(expected);
        assert_eq!(made, expected, "{max_binding_bytes:?} {dtype:?}");
    }
    Ok(())
}

/// A kernel seen as the matrix of a linear map keeps the channels, and so the scales, that it is stored with.
#[test]
fn a_matrix_under_another_shape_keeps_its_scales() -> Result<()> {
    let mut cases = Vec::new();
    for (seed, dtype) in DTYPES.into_iter().enumerate() {
        for (stored, seen) in
            [([12, 40, 3, 3], [12, 360]), ([12, 40, 1, 1], [12, 40]), ([6, 40, 1, 2], [12, 40])]
        {
            let graph = one(|g| {
                let x = g.input("x", &[9, seen[1]])?;
                let w = g.parameter("w", &stored)?;
                let w = g.reshape(w, &seen)?;
                g.linear(x, w, None)
            })?;
            let case = Case::random(graph, dtype, seed as u64);
            cases.push((format!("{stored:?} as {seen:?} {dtype:?}"), case));
        }
    }
    check("matrices under another shape", PRODUCT, cases)
}

#[test]
fn a_computed_matrix_is_a_weight_too() -> Result<()> {
    let graph = one(|g| {
        let x = g.input("x", &[20, 6])?;
        let down = g.parameter("down", &[10, 6])?;
        let square = g.linear(down, down, None)?;
        let y = g.linear(x, down, None)?;
        g.linear(y, square, None)
    })?;
    check("computed weights", PRODUCT, [("f32".to_owned(), Case::random(graph, DType::F32, 3))])
}

#[test]
fn norms() -> Result<()> {
    check_forms("norms", NORM, norm_cases()?)
}

fn norm_cases() -> Result<Vec<(String, Case)>> {
    let mut cases = Vec::new();
    for (seed, (shape, groups)) in [
        ([2, 32, 32, 128], 32),
        ([1, 64, 64, 320], 32),
        ([2, 3, 5, 6], 2),
        ([1, 1, 1, 4], 4),
        ([3, 8, 8, 30], 3),
        ([16, 8, 6, 64], 32),
        ([103, 2, 3, 10], 5),
        ([1, 45, 91, 1], 1),
        // More of one pixel than threads can hold.
        ([1, 1, 1, 5001], 1),
        ([2, 16, 25, 12], 3),
    ]
    .into_iter()
    .enumerate()
    {
        for dtype in DTYPES {
            let graph = one(|g| {
                let x = g.input("x", &shape)?;
                let gamma = g.parameter("gamma", &[shape[3]])?;
                let beta = g.parameter("beta", &[shape[3]])?;
                // An offset that a one-pass variance would drown in.
                let shifted = g.affine(x, 1.0, 30.0);
                let norm = g.group_norm(shifted, gamma, beta, groups, 1e-5)?;
                Ok(if seed % 2 == 0 { g.activation(norm, Activation::Silu) } else { norm })
            })?;
            cases.push((format!("group {shape:?} {dtype:?}"), Case::random(graph, dtype, seed as u64)));
        }
    }
    for (seed, shape) in [[2, 77, 768], [1, 5, 3], [4, 1, 320]].into_iter().enumerate() {
        let graph = one(|g| {
            let x = g.input("x", &shape)?;
            let gamma = g.parameter("gamma", &[shape[2]])?;
            let beta = g.parameter("beta", &[shape[2]])?;
            g.layer_norm(x, gamma, beta, 1e-5)
        })?;
        cases.push((format!("layer {shape:?}"), Case::random(graph, DType::F32, seed as u64)));
    }
    Ok(cases)
}

/// Blocks as wide as a line and narrower, in the forms that read groups once and again and again.
#[test]
fn norms_by_subgroups() -> Result<()> {
    let options = GpuOptions { many_threads: Some(true), subgroups: true, ..GpuOptions::default() };
    let Some(gpu) = gpu_with(options) else { return Ok(()) };
    if !gpu.adapter().subgroups {
        leave_out(&gpu, "subgroups");
        return Ok(());
    }
    // Else threads do not follow each other, which is so on no adapter that is known.
    let threads = gpu.adapter().subgroup_threads.expect("subgroups are used");
    check_on(&gpu, &format!("norms by subgroups of {threads} threads"), NORM, norm_cases()?)?;
    let shaders = gpu.shaders();
    let count = |word: &str| shaders.iter().filter(|(name, _)| name.contains(word)).count();
    assert!(count("-SUBGROUPS") > 5);
    assert_eq!(count("-SUBGROUPS"), count("Norm"), "all norms");
    Ok(())
}

#[test]
fn attention() -> Result<()> {
    // B, Lq, Lk, heads, head size, causal, factor on q
    let shapes = [
        (2, 256, 256, 4, 32, false, 1.0),
        (2, 256, 16, 4, 32, false, 4.0),
        (1, 64, 77, 8, 40, false, 4.0),
        (1, 100, 77, 2, 160, false, 3.0),
        (1, 65, 65, 1, 512, false, 3.0),
        (2, 77, 77, 2, 64, true, 4.0),
        (1, 33, 33, 3, 8, true, 1.0),
        (1, 1, 1, 1, 4, true, 1.0),
        (2, 37, 41, 3, 6, false, 3.0),
        (1, 40, 40, 2, 13, true, 3.0),
        (1, 9, 70, 1, 300, false, 1.0),
        (1, 9, 40, 1, 600, false, 1.0),
        // Short on either side or both, or nearly so, with heads of one chunk and of many.
        (2, 16, 16, 4, 32, false, 4.0),
        (1, 17, 16, 2, 40, false, 4.0),
        (1, 16, 17, 2, 40, false, 4.0),
        (2, 16, 77, 8, 160, false, 3.0),
        (2, 5, 12, 2, 160, false, 3.0),
        (1, 70, 9, 1, 300, false, 1.0),
        (1, 14, 14, 2, 12, true, 3.0),
        (1, 13, 13, 3, 6, true, 3.0),
    ];
    let mut cases = Vec::new();
    for (seed, (batch, queries, keys, heads, size, causal, factor)) in shapes.into_iter().enumerate() {
        let width = heads * size;
        let graph = one(|g| {
            let q = g.input("q", &[batch, queries, width])?;
            let k = g.input("k", &[batch, keys, width])?;
            let v = g.input("v", &[batch, keys, width])?;
            // Logits have the standard deviation `factor`.
            let q = g.affine(q, factor, 0.0);
            g.attention(q, k, v, heads, 1.0 / (size as f64).sqrt(), causal)
        })?;
        let label = format!("{batch} {queries} {keys} {heads}x{size} causal {causal}");
        cases.push((label, Case::random(graph, DType::F32, seed as u64)));
    }
    check_forms("attention", ATTENTION, cases)
}

#[test]
fn one_tensor_as_query_key_and_value() -> Result<()> {
    let graph = one(|g| {
        let x = g.input("x", &[1, 20, 8])?;
        let y = g.attention(x, x, x, 2, 0.5, false)?;
        let doubled = g.add(y, y)?;
        g.multiply(doubled, doubled)
    })?;
    check("aliases", ATTENTION, [("self".to_owned(), Case::random(graph, DType::F32, 1))])
}

#[test]
fn elementwise() -> Result<()> {
    let activations = [
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::QuickGelu,
        Activation::Relu,
        Activation::Tanh,
    ];
    let mut cases = Vec::new();
    for (seed, activation) in activations.into_iter().enumerate() {
        let graph = one(|g| {
            let x = g.input("x", &[7, 9])?;
            // Far enough out that a naive exp or tanh overflows.
            let wide = g.affine(x, 40.0, 0.5);
            let y = g.activation(x, activation);
            let z = g.activation(wide, activation);
            g.add(y, z)
        })?;
        cases.push((format!("{activation:?}"), Case::random(graph, DType::F32, seed as u64)));
    }
    let repeats: [(&[usize], &[usize]); 7] = [
        (&[2, 3, 5, 7], &[2, 3, 5, 7]),
        (&[2, 3, 5, 8], &[2, 1, 1, 8]),
        (&[2, 3, 5, 7], &[1, 3, 1, 7]),
        (&[2, 3, 5, 7], &[2, 1, 5, 1]),
        (&[6, 4], &[6, 1]),
        (&[3, 2, 2, 3, 2, 3], &[1, 2, 1, 3, 1, 3]),
        (&[5], &[1]),
    ];
    for (seed, (x_shape, y_shape)) in repeats.into_iter().enumerate() {
        let graph = one(|g| {
            let (x, y) = (g.input("x", x_shape)?, g.input("y", y_shape)?);
            let sum = g.add(x, y)?;
            g.multiply(sum, y)
        })?;
        cases.push((format!("{x_shape:?} {y_shape:?}"), Case::random(graph, DType::F32, seed as u64)));
    }
    for width in [8, 7, 1280] {
        let graph = one(|g| {
            let x = g.input("x", &[3, 5, 2 * width])?;
            g.geglu(x)
        })?;
        cases.push((format!("geglu {width}"), Case::random(graph, DType::F32, width as u64)));
    }
    check("elementwise", ELEMENTWISE, cases)
}

#[test]
fn embedding() -> Result<()> {
    let mut cases = Vec::new();
    for dtype in DTYPES {
        for width in [8, 5, 70] {
            let graph = one(|g| {
                let ids = g.input("ids", &[2, 7])?;
                let table = g.parameter("table", &[19, width])?;
                g.embedding(ids, table)
            })?;
            let mut case = Case::random(graph, dtype, 5);
            // Two of them outside the table.
            let ids = [3, 0, 18, 18, 7, 1, 2, 40, -4, 9, 10, 11, 0, 5];
            case.inputs.insert("ids".to_owned(), ids.map(|id| id as f32).to_vec());
            cases.push((format!("{dtype:?} {width}"), case));
        }
    }
    check("embedding", ELEMENTWISE, cases)
}

#[test]
fn timestep_embedding() -> Result<()> {
    let mut cases = Vec::new();
    for (dim, flip, shift) in [(320, true, 0.0), (128, false, 1.0), (6, true, 1.0)] {
        let graph = one(|g| {
            let t = g.input("t", &[5])?;
            g.timestep_embedding(t, dim, flip, shift)
        })?;
        let mut case = Case::random(graph, DType::F32, 5);
        case.inputs.insert("t".to_owned(), vec![0.0, 1.0, 501.3728, 999.0, 961.5]);
        cases.push((format!("{dim} {flip} {shift}"), case));
    }
    check("timestep_embedding", ELEMENTWISE, cases)
}

#[test]
fn moves() -> Result<()> {
    let mut cases = Vec::new();
    for channels in [8, 5] {
        let graph = one(|g| {
            let x = g.input("x", &[2, 4, 6, channels])?;
            let z = g.input("z", &[2, 8, 12, 3])?;
            let doubled = g.upsample(x, 8, 12)?;
            let odd = g.upsample(x, 7, 5)?;
            let joined = g.concat(&[doubled, z, doubled])?;
            g.output("odd", odd)?;
            g.output("joined", joined)?;
            let part = g.slice(joined, 2, channels + 2)?;
            g.reshape(part, &[16, 12 * (channels + 2)])
        })?;
        cases.push((format!("{channels} channels"), Case::random(graph, DType::F32, channels as u64)));
    }
    let graph = one(|g| {
        let x = g.input("x", &[2, 4, 8])?;
        let y = g.input("y", &[2, 4, 12])?;
        let joined = g.concat(&[x, y])?;
        let renamed = g.reshape(x, &[8, 8])?;
        let parameter = g.parameter("p", &[3, 4])?;
        let parameter = g.reshape(parameter, &[12])?;
        g.output("renamed", renamed)?;
        g.output("parameter", parameter)?;
        g.output("same", joined)?;
        g.slice(joined, 4, 8)
    })?;
    cases.push(("four at a time".to_owned(), Case::random(graph, DType::F32, 1)));
    check("moves", MOVES, cases)
}

#[test]
fn fused_steps() -> Result<()> {
    let mut cases = Vec::new();
    for (seed, (channels, dtype)) in
        [(16, DType::F32), (10, DType::F32), (16, DType::Int8), (10, DType::F16), (40, DType::Int4)]
            .into_iter()
            .enumerate()
    {
        let graph = one(|g| {
            let x = g.input("x", &[2, 6, 5, channels])?;
            let time = g.input("time", &[2, 1, 1, channels])?;
            let vector = |g: &mut GraphBuilder, name: &str| g.parameter(name, &[channels]);
            let (gamma, beta, bias) = (vector(g, "gamma")?, vector(g, "beta")?, vector(g, "bias")?);
            let w1 = g.parameter("w1", &[channels, channels, 3, 3])?;
            let w2 = g.parameter("w2", &[channels, channels, 3, 3])?;
            let project = g.parameter("project", &[channels, channels])?;
            let norm = g.group_norm(x, gamma, beta, 2, 1e-5)?;
            let act = g.activation(norm, Activation::Silu);
            let conv = g.conv2d(act, w1, Some(bias), 1, [1; 4])?;
            let timed = g.add(conv, time)?;
            let act = g.activation(timed, Activation::Silu);
            let conv = g.conv2d(act, w2, Some(bias), 1, [1; 4])?;
            let block = g.add(x, conv)?;
            let block = g.activation(block, Activation::Relu);
            // A linear map whose result is reshaped before the residual sum, and one whose result repeats.
            let flat = g.reshape(block, &[2, 30, channels])?;
            let linear = g.linear(flat, project, Some(bias))?;
            let picture = g.reshape(linear, &[2, 6, 5, channels])?;
            let sum = g.add(picture, block)?;
            let time = g.reshape(time, &[2, channels])?;
            let row = g.linear(time, project, None)?;
            let row = g.activation(row, Activation::Gelu);
            let row = g.reshape(row, &[2, 1, 1, channels])?;
            g.add(sum, row)
        })?;
        cases.push((format!("{channels} {dtype:?}"), Case::random(graph, dtype, seed as u64)));
    }
    check("fused steps", PRODUCT, cases)
}

/// Queries, keys and values of one value, keys and values of a text for two layers, and rows of a time embedding.
fn layers([side, heads, size]: [usize; 3], biased: bool) -> Result<Graph> {
    let (width, text_width) = (heads * size, 6);
    one(|g| {
        let picture = g.input("picture", &[2, side, side, width])?;
        let text = g.input("text", &[2, 7, text_width])?;
        let time = g.input("time", &[2, 12])?;
        let linear = |g: &mut GraphBuilder, name: &str, x, inputs| {
            let w = g.parameter(name, &[width, inputs])?;
            let b = g.parameter(&format!("{name}.b"), &[width])?;
            g.linear(x, w, biased.then_some(b))
        };
        let mut x = picture;
        for layer in 0..2 {
            let name = |part: &str| format!("{layer}.{part}");
            let w = g.parameter(&name("conv"), &[width, width, 3, 3])?;
            let conv = g.conv2d(x, w, None, 1, [1; 4])?;
            let row = linear(g, &name("time"), time, 12)?;
            let row = g.reshape(row, &[2, 1, 1, width])?;
            let timed = g.add(conv, row)?;
            let pixels = g.reshape(timed, &[2, side * side, width])?;
            let scale = 1.0 / (size as f64).sqrt();
            let [q, k, v] = ["q", "k", "v"];
            let (q, k, v) = (
                linear(g, &name(q), pixels, width)?,
                linear(g, &name(k), pixels, width)?,
                linear(g, &name(v), pixels, width)?,
            );
            let seen = g.attention(q, k, v, heads, scale, layer == 1)?;
            let query = linear(g, &name("q2"), seen, width)?;
            let (k, v) =
                (linear(g, &name("k2"), text, text_width)?, linear(g, &name("v2"), text, text_width)?);
            let read = g.attention(query, k, v, heads, scale, false)?;
            let sum = g.add(seen, read)?;
            x = g.reshape(sum, &[2, side, side, width])?;
        }
        Ok(x)
    })
}

/// Each is made by one product where heads and outputs are whole units of four.
#[test]
fn joint_products() -> Result<()> {
    let mut cases = Vec::new();
    for (seed, (extents, biased, dtype)) in [
        ([4, 2, 8], true, DType::F32),
        ([4, 2, 8], false, DType::Int8),
        ([5, 3, 4], true, DType::F16),
        ([1, 2, 8], true, DType::F32),
        ([3, 2, 5], true, DType::F32),
        ([3, 3, 10], false, DType::F16),
        ([3, 5, 16], false, DType::Int4),
        // Of units that do not come in pairs.
        ([4, 3, 4], false, DType::Int4),
    ]
    .into_iter()
    .enumerate()
    {
        let case = Case::random(layers(extents, biased)?, dtype, seed as u64);
        cases.push((format!("{extents:?} {biased} {dtype:?}"), case));
    }
    check("joint products", ATTENTION, cases)
}

/// Queries, keys or values of another storage type than the others lie apart from them, in rows of another length.
#[test]
fn joint_products_of_several_storage_types() -> Result<()> {
    let mut cases = Vec::new();
    for (seed, apart) in [".q", ".k", ".v", ".k2", ".v2", "0.v2"].into_iter().enumerate() {
        let dtype = |name: &str| if name.ends_with(apart) { DType::F16 } else { DType::Int8 };
        let case = Case::of_types(layers([4, 2, 8], false)?, dtype, seed as u64);
        cases.push((format!("{apart} apart"), case));
    }
    check("joint products of several storage types", ATTENTION, cases)
}

/// Of heads that are no whole units of four, beside a joint product.
#[test]
fn one_value_as_keys_and_values_beside_a_joint_product() -> Result<()> {
    let graph = one(|g| {
        let [q, x, time] =
            [g.input("q", &[2, 5, 12])?, g.input("x", &[2, 7, 12])?, g.input("time", &[2, 8])?];
        let mut y = q;
        for name in ["first", "second"] {
            let w = g.parameter(name, &[12, 8])?;
            let row = g.linear(time, w, None)?;
            let row = g.reshape(row, &[2, 1, 12])?;
            let square = g.parameter(&format!("{name}.square"), &[12, 12])?;
            let product = g.linear(y, square, None)?;
            y = g.add(product, row)?;
        }
        g.attention(y, x, x, 2, 0.5, false)
    })?;
    check("keys that are values", ATTENTION, [("6 wide", Case::random(graph, DType::F32, 1))])
}

/// A value whose rows are seen as long ones and as short ones has no linear maps in common.
#[test]
fn linear_maps_of_rows_of_several_lengths_are_not_joined() -> Result<()> {
    let graph = one(|g| {
        let x = g.input("x", &[1, 4, 6])?;
        let longer = g.reshape(x, &[1, 2, 12])?;
        let mut map = |name: &str, x, inputs| {
            let w = g.parameter(name, &[8, inputs])?;
            g.linear(x, w, None)
        };
        let (q, k, v) = (map("q", x, 6)?, map("k", longer, 12)?, map("v", longer, 12)?);
        g.attention(q, k, v, 2, 0.5, false)
    })?;
    check("rows of several lengths", ATTENTION, [("self", Case::random(graph, DType::F32, 1))])
}

/// Parameters that several linear maps use, of one value or of others, are no members of a joint product.
#[test]
fn tied_parameters() -> Result<()> {
    let mut cases = Vec::new();
    for (seed, (names, biases)) in [
        (["a", "a", "b"], ["0", "1", "2"]),
        (["a", "b", "c"], ["0", "1", "0"]),
        // Which the last map of all uses too.
        (["last", "a", "b"], ["0", "1", "2"]),
        (["a", "b", "c"], ["0", "last.b", "1"]),
    ]
    .into_iter()
    .enumerate()
    {
        let graph = one(|g| {
            let x = g.input("x", &[1, 5, 8])?;
            let map = |g: &mut GraphBuilder, x, name: &str, bias: &str| {
                let [w, b] = [g.parameter(name, &[8, 8])?, g.parameter(bias, &[8])?];
                g.linear(x, w, Some(b))
            };
            let mut maps = Vec::new();
            for (name, bias) in names.into_iter().zip(biases) {
                maps.push(map(g, x, name, bias)?);
            }
            let seen = g.attention(maps[0], maps[1], maps[2], 2, 0.5, false)?;
            map(g, seen, "last", "last.b")
        })?;
        for dtype in DTYPES {
            // Biases of integers are in no joint product.
            let of = |name: &str| if biases.contains(&name) || name == "last.b" { DType::F32 } else { dtype };
            let case = Case::of_types(graph.clone(), of, seed as u64);
            cases.push((format!("{names:?} {biases:?} {dtype:?}"), case));
        }
    }
    check("tied parameters", ATTENTION, cases)
}

/// A norm adds up the parts of the long sums of the product before it: with a row of the time or a residual, alone or beside another
/// source, for itself or for others too.
#[test]
fn norms_of_sums_in_parts() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut cases = Vec::new();
    for (seed, ([channels, outputs, beside], groups, [height, width], follows, dtype)) in [
        ([301, 96, 0], 8, [3, 3], "row", DType::Int8),
        ([64, 64, 0], 32, [5, 7], "row", DType::F16),
        ([128, 36, 0], 12, [4, 4], "nothing", DType::F16),
        ([96, 96, 0], 8, [4, 5], "residual", DType::Int8),
        ([128, 64, 32], 32, [4, 4], "residual", DType::Int8),
        ([128, 40, 24], 16, [1, 3], "row", DType::F16),
        ([301, 96, 0], 8, [3, 3], "row", DType::Int4),
        ([128, 64, 32], 32, [4, 4], "residual", DType::Int4),
    ]
    .into_iter()
    .enumerate()
    {
        let all = outputs + beside;
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[2, height, width, channels])?;
        let w = g.parameter("w", &[outputs, channels, 3, 3])?;
        let bias = g.parameter("bias", &[outputs])?;
        let mut y = g.conv2d(x, w, Some(bias), 1, [1; 4])?;
        match follows {
            "row" => {
                let row = g.input("row", &[2, 1, 1, outputs])?;
                y = g.add(y, row)?;
            }
            "residual" => {
                let residual = g.input("residual", &[2, height, width, outputs])?;
                y = g.add(y, residual)?;
                g.output("sum", y)?;
            }
            _ => {}
        }
        let mut normed = y;
        if beside > 0 {
            let skip = g.input("skip", &[2, height, width, beside])?;
            normed = g.concat(&[y, skip])?;
        }
        let [gamma, beta] = [g.parameter("gamma", &[all])?, g.parameter("beta", &[all])?];
        let norm = g.group_norm(normed, gamma, beta, groups, 1e-5)?;
        let norm = g.activation(norm, Activation::Silu);
        g.output("y", norm)?;
        let case = Case::random(g.finish()?, dtype, seed as u64);
        let label = format!("{channels} to {outputs} beside {beside}, {follows}, {dtype:?}");
        let plan = block_on(gpu.plan(&case.graph, &case.weights(&gpu)?))?;
        let kernels: Vec<&str> = plan.account().work.iter().map(|work| work.class.kernel.as_str()).collect();
        assert_eq!(kernels, ["conv2d", "group_norm"], "{label}");
        cases.push((label, case));
    }
    check_on(&gpu, "norms of sums in parts", NORM, cases)
}

/// A group that is too wide for threads to hold is given whole.
#[test]
fn norms_of_wide_groups_beside_sums_in_parts() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut g = GraphBuilder::new();
    let [x, skip] = [g.input("x", &[1, 1, 1, 512])?, g.input("skip", &[1, 1, 1, 16324])?];
    let w = g.parameter("w", &[64, 512, 1, 1])?;
    let [gamma, beta] = [g.parameter("gamma", &[16388])?, g.parameter("beta", &[16388])?];
    let y = g.conv2d(x, w, None, 1, [0; 4])?;
    let both = g.concat(&[y, skip])?;
    let norm = g.group_norm(both, gamma, beta, 1, 1e-5)?;
    g.output("y", norm)?;
    let case = Case::random(g.finish()?, DType::F32, 1);
    check_on(&gpu, "norms of wide groups", NORM, [("one pixel", case)])
}

/// What a UNet does on its way up: a skip connection beside the picture, a residual block, twice the size. Nothing of it is copied.
#[test]
fn up_blocks() -> Result<()> {
    let mut cases = Vec::new();
    for (seed, (left, right, [height, width], dtype)) in [
        (8, 12, [6, 5], DType::F32),
        (20, 4, [5, 7], DType::Int8),
        (6, 10, [6, 5], DType::F16),
        (8, 8, [1, 1], DType::F32),
        (20, 16, [5, 7], DType::Int4),
        (64, 64, [70, 60], DType::F32),
    ]
    .into_iter()
    .enumerate()
    {
        let channels = left + right;
        let graph = one(|g| {
            let x = g.input("x", &[2, height, width, left])?;
            let skip = g.input("skip", &[2, height, width, right])?;
            let gamma = g.parameter("gamma", &[channels])?;
            let beta = g.parameter("beta", &[channels])?;
            let both = g.concat(&[x, skip])?;
            let norm = g.group_norm(both, gamma, beta, 4, 1e-5)?;
            let act = g.activation(norm, Activation::Silu);
            let w = g.parameter("w", &[left, channels, 3, 3])?;
            let conv = g.conv2d(act, w, None, 1, [1; 4])?;
            let shortcut = g.parameter("shortcut", &[left, channels, 1, 1])?;
            let bias = g.parameter("bias", &[left])?;
            let shortcut = g.linear(both, shortcut, Some(bias))?;
            let sum = g.add(shortcut, conv)?;
            let larger = g.upsample(sum, 2 * height, 2 * width)?;
            let w = g.parameter("up", &[left, left, 3, 3])?;
            g.conv2d(larger, w, None, 1, [1; 4])
        })?;
        cases.push((
            format!("{left} + {right}, {height}x{width} {dtype:?}"),
            Case::random(graph, dtype, seed as u64),
        ));
    }
    check("up blocks", PRODUCT, cases)
}
