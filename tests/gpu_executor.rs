//! The GPU executor around its kernels: plans of several models and sizes, the arena, combinations, read-backs, large
//! tables, and bad input.

#![cfg(feature = "native")]

mod gpu_support;

use gpu_support::{Case, Random, assert_code, gpu, gpu_with, relative_error};
use pollster::block_on;
use tenstep::Result;
use tenstep::executor::{Command, Executor, MAX_TERMS, Term};
use tenstep::gpu::{Gpu, GpuOptions, Tensor};
use tenstep::graph::{Activation, Graph, GraphBuilder};
use tenstep::solver::Thresholding;
use tenstep::weights::{DType, TensorInfo};

const BOUND: f64 = 2e-6;

/// A small network of every memory-hungry kind: convolutions, norms, attention, a skip connection.
fn network(size: usize, channels: usize) -> Result<Graph> {
    let mut g = GraphBuilder::new();
    let x = g.input("x", &[2, size, size, 4])?;
    let t = g.input("t", &[2])?;
    let conv_in = g.parameter("conv_in", &[channels, 4, 3, 3])?;
    let time = g.parameter("time", &[channels, channels])?;
    let gamma = g.parameter("gamma", &[channels])?;
    let conv = g.parameter("conv", &[channels, 2 * channels, 3, 3])?;
    let qkv = g.parameter("qkv", &[3 * channels, channels])?;
    let conv_out = g.parameter("conv_out", &[4, channels, 3, 3])?;
    let skip = g.conv2d(x, conv_in, None, 1, [1; 4])?;
    let embedding = g.timestep_embedding(t, channels, true, 0.0)?;
    let embedding = g.linear(embedding, time, None)?;
    let embedding = g.activation(embedding, Activation::Silu);
    let embedding = g.reshape(embedding, &[2, 1, 1, channels])?;
    let h = g.add(skip, embedding)?;
    let h = g.group_norm(h, gamma, gamma, 4, 1e-5)?;
    let h = g.activation(h, Activation::Silu);
    let flat = g.reshape(h, &[2, size * size, channels])?;
    let projected = g.linear(flat, qkv, None)?;
    let q = g.slice(projected, 0, channels)?;
    let k = g.slice(projected, channels, channels)?;
    let v = g.slice(projected, 2 * channels, channels)?;
    let attended = g.attention(q, k, v, 2, (channels as f64 / 2.0).powf(-0.5), false)?;
    let attended = g.reshape(attended, &[2, size, size, channels])?;
    let joined = g.concat(&[attended, skip])?;
    let h = g.conv2d(joined, conv, None, 1, [1; 4])?;
    g.output("features", h)?;
    let h = g.upsample(h, size, size)?;
    let y = g.conv2d(h, conv_out, None, 1, [1; 4])?;
    g.output("y", y)?;
    g.finish()
}

fn agree(case: &Case, actual: &std::collections::HashMap<String, Vec<f32>>) -> Result<()> {
    for (name, expected) in case.expected()? {
        let error = relative_error(&actual[&name], &expected);
        assert!(error <= BOUND, "{name}: relative error {error:.2e}");
    }
    Ok(())
}

#[test]
fn two_models_and_two_sizes_share_a_device() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let small = Case::random(network(17, 16)?, DType::F32, 1);
    let mut large = Case::random(network(31, 16)?, DType::F32, 2);
    large.parameters = small.parameters.clone();
    let other = Case::random(network(12, 24)?, DType::F16, 3);

    let (weights, other_weights) = (small.weights(&gpu)?, other.weights(&gpu)?);
    let small_plan = block_on(gpu.plan(&small.graph, &weights))?;
    agree(&small, &small.evaluate(&gpu, &small_plan)?)?;
    let (pipelines, arena) = (gpu.pipeline_count(), gpu.arena_bytes());
    let large_plan = block_on(gpu.plan(&large.graph, &weights))?;
    assert_eq!(
        gpu.pipeline_count(),
        pipelines,
        "a second size that has tiles of the same shapes compiles nothing"
    );
    assert!(gpu.arena_bytes() > arena, "the arena grows to the largest plan");
    let other_plan = block_on(gpu.plan(&other.graph, &other_weights))?;
    // The plans keep what they need of the weights.
    drop((weights, other_weights));
    for _ in 0..2 {
        agree(&small, &small.evaluate(&gpu, &small_plan)?)?;
        agree(&other, &other.evaluate(&gpu, &other_plan)?)?;
        agree(&large, &large.evaluate(&gpu, &large_plan)?)?;
    }

    // All three in one submission.
    for (case, plan) in [(&small, &small_plan), (&large, &large_plan), (&other, &other_plan)] {
        for (name, values) in &case.inputs {
            gpu.write(gpu.input(plan, name).expect("declared"), values)?;
        }
    }
    let plans = [&large_plan, &small_plan, &other_plan, &small_plan];
    gpu.submit(&plans.map(Command::Evaluate))?;
    for (case, plan) in [(&small, &small_plan), (&large, &large_plan), (&other, &other_plan)] {
        let actual = case
            .graph
            .outputs()
            .map(|(name, _)| {
                Ok((name.to_owned(), block_on(gpu.read(gpu.output(plan, name).expect("declared")))?))
            })
            .collect::<Result<_>>()?;
        agree(case, &actual)?;
    }

    // With the large plan gone the arena shrinks at the next plan, and the others still run.
    let arena = gpu.arena_bytes();
    drop(large_plan);
    let again = block_on(gpu.plan(&other.graph, &other.weights(&gpu)?))?;
    assert!(gpu.arena_bytes() < arena);
    agree(&small, &small.evaluate(&gpu, &small_plan)?)?;
    agree(&other, &other.evaluate(&gpu, &again)?)
}

/// Many dispatches that are sent again and again are recorded ahead, which what lasts must not be mistaken for.
#[test]
fn what_lasts_may_change_between_evaluations_that_repeat() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut g = GraphBuilder::new();
    let x = g.input("x", &[4, 32])?;
    let lasting = g.input("lasting", &[4, 32])?;
    g.lasts(lasting);
    let weights = g.parameter("weights", &[32, 32])?;
    let [gamma, beta] = [g.parameter("gamma", &[32])?, g.parameter("beta", &[32])?];
    let told = g.linear(lasting, weights, None)?;
    let told = g.layer_norm(told, gamma, beta, 1e-5)?;
    let mut h = x;
    for _ in 0..40 {
        h = g.layer_norm(h, gamma, beta, 1e-5)?;
    }
    let y = g.add(h, told)?;
    g.output("y", y)?;
    let mut case = Case::random(g.finish()?, DType::F32, 1);
    let plan = block_on(gpu.plan(&case.graph, &case.weights(&gpu)?))?;
    assert_eq!(plan.account().work.len() - plan.dispatch_count(), 2, "two dispatches last");
    for change in [1.0, -0.5, 2.0] {
        case.inputs.values_mut().flatten().for_each(|value| *value *= change);
        for (name, values) in &case.inputs {
            gpu.write(gpu.input(&plan, name).expect("declared"), values)?;
        }
        gpu.submit(&[Command::Prepare(&plan)])?;
        for _ in 0..3 {
            gpu.submit(&[Command::Evaluate(&plan)])?;
        }
        let y = block_on(gpu.read(gpu.output(&plan, "y").expect("declared")))?;
        agree(&case, &[("y".to_owned(), y)].into())?;
    }
    Ok(())
}

#[test]
fn an_arena_of_several_buffers_and_matrices_of_several_pieces() -> Result<()> {
    // Less than the values alive at once, and than most of the matrices.
    let options = GpuOptions {
        max_binding_bytes: Some(28 << 10),
        max_buffer_bytes: Some(48 << 10),
        many_threads: Some(true),
        ..GpuOptions::default()
    };
    let Some(gpu) = gpu_with(options) else { return Ok(()) };
    for (dtype, seed) in [(DType::F32, 1), (DType::F16, 2), (DType::Int8, 3), (DType::Int4, 4)] {
        let case = Case::random(network(6, 32)?, dtype, seed);
        let weights = case.weights(&gpu)?;
        let plan = block_on(gpu.plan(&case.graph, &weights))?;
        assert!(gpu.arena_bytes() > 48 << 10);
        agree(&case, &case.evaluate(&gpu, &plan)?)?;

        // Few rows of many outputs, and a product that exceeds a binding itself.
        for (rows, outputs) in [(3, 701), (75, 100)] {
            let mut g = GraphBuilder::new();
            let x = g.input("x", &[rows, 91])?;
            let w = g.parameter("w", &[outputs, 91])?;
            let y = g.linear(x, w, None)?;
            let y = g.slice(y, 50, 47)?;
            g.output("y", y)?;
            let case = Case::random(g.finish()?, dtype, seed);
            agree(&case, &case.run(&gpu)?)?;
        }
    }
    Ok(())
}

/// Every kernel that works on rows, on pictures that a binding shows a part of.
fn decoder(size: usize, channels: usize) -> Result<Graph> {
    let mut g = GraphBuilder::new();
    let x = g.input("x", &[2, size / 2, size / 3, 4])?;
    let row = g.input("row", &[2, 1, 1, channels])?;
    let gamma = g.parameter("gamma", &[channels])?;
    let beta = g.parameter("beta", &[channels])?;
    let widen = g.parameter("widen", &[channels, 4, 1, 1])?;
    let conv = g.parameter("conv", &[channels, channels, 3, 3])?;
    let wide = g.parameter("wide", &[2 * channels, channels])?;
    let narrow = g.parameter("narrow", &[3, channels, 3, 3])?;
    let h = g.conv2d(x, widen, Some(beta), 1, [0; 4])?;
    let h = g.upsample(h, size, size)?;
    let norm = g.group_norm(h, gamma, beta, 2, 1e-5)?;
    let act = g.activation(norm, Activation::Silu);
    let block = g.conv2d(act, conv, Some(beta), 1, [1; 4])?;
    let h = g.add(h, block)?;
    let repeated = g.multiply(h, row)?;
    let sum = g.add(repeated, h)?;
    let sum = g.affine(sum, 0.5, 0.25);
    let norm = g.layer_norm(sum, gamma, beta, 1e-5)?;
    let gated = g.linear(norm, wide, None)?;
    let gated = g.geglu(gated)?;
    let part = g.slice(gated, 2, channels - 2)?;
    let two = g.slice(h, 0, 2)?;
    let joined = g.concat(&[part, two])?;
    let y = g.activation(joined, Activation::Tanh);
    let small = g.conv2d(y, conv, None, 2, [0, 0, 1, 1])?;
    g.output("small", small)?;
    let y = g.conv2d(y, narrow, None, 1, [1; 4])?;
    g.output("y", y)?;
    g.finish()
}

#[test]
fn values_larger_than_a_binding_are_shown_in_parts() -> Result<()> {
    // The pictures take 2 · 48 · 48 · 12 · 4 = 216 KiB, those of the gated product twice that; the outputs, whole, 54 KiB.
    let options = |many_threads| GpuOptions {
        max_binding_bytes: Some(64 << 10),
        max_buffer_bytes: Some(500 << 10),
        many_threads: Some(many_threads),
        ..GpuOptions::default()
    };
    let (Some(gpu), Some(small)) = (gpu_with(options(true)), gpu_with(options(false))) else { return Ok(()) };
    let roomy = GpuOptions { many_threads: Some(false), ..GpuOptions::default() };
    let Some(roomy) = gpu_with(roomy) else { return Ok(()) };
    for (channels, dtype) in [(12, DType::F32), (10, DType::Int8), (12, DType::Int4)] {
        let case = Case::random(decoder(48, channels)?, dtype, 5);
        assert!(case.run(&small)? == case.run(&roomy)?, "the same sums in the same order");
        // With many threads, how many share a sum depends on the number of rows.
        let actual = case.run(&gpu)?;
        agree(&case, &actual)?;
    }
    Ok(())
}

/// Tiles of few outputs have 64 rows: such a picture is one more of them than a dispatch takes along one axis, in few bytes. For a
/// processor in disguise, whose other tiles have 32, it is cut once more.
#[test]
fn products_of_more_tiles_than_a_dispatch_has_workgroups_are_cut() -> Result<()> {
    let rows = 64 << 16;
    for (many_threads, runs) in [(true, 2), (false, 4)] {
        let options = GpuOptions { many_threads: Some(many_threads), ..GpuOptions::default() };
        let Some(gpu) = gpu_with(options) else { return Ok(()) };
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[rows, 1])?;
        let w = g.parameter("w", &[1, 1])?;
        let y = g.linear(x, w, None)?;
        g.output("y", y)?;
        let case = Case::random(g.finish()?, DType::F32, 1);
        agree(&case, &case.run(&gpu)?)?;

        // Two parts side by side are read where they are by a product of all rows only.
        let mut g = GraphBuilder::new();
        let parts = [g.input("left", &[rows, 4])?, g.input("right", &[rows, 4])?];
        let x = g.concat(&parts)?;
        let w = g.parameter("w", &[1, 8])?;
        let y = g.linear(x, w, None)?;
        g.output("y", y)?;
        let weights = [TensorInfo { name: "w".to_owned(), shape: vec![1, 8], dtype: DType::F32 }];
        let mut weights = gpu.weights(&weights)?;
        gpu.push(&mut weights, 0, 0, &[0; 32])?;
        let plan = block_on(gpu.plan(&g.finish()?, &weights))?;
        let kernels: Vec<&str> = plan.account().work.iter().map(|work| work.class.kernel.as_str()).collect();
        assert_eq!(kernels[..2], ["copy_columns"; 2]);
        assert_eq!(kernels[2..], vec!["conv2d"; runs]);
    }
    Ok(())
}

/// A plan that fails has taken the stored form of some parameters, and may not have filled the forms that were to come of them.
#[test]
fn a_form_that_was_never_made_is_not_taken_for_one() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let scaling = |with_rows: bool| {
        let mut g = GraphBuilder::new();
        let x = g.input("x", &[2, 8])?;
        let scale = g.parameter("scale", &[1, 8])?;
        let y = g.multiply(x, scale)?;
        g.output("y", y)?;
        if with_rows {
            let w = g.parameter("w", &[8, 8])?;
            let rows = g.slice(w, 0, 4)?;
            g.output("rows", rows)?;
        }
        g.finish()
    };
    let mut product = GraphBuilder::new();
    let x = product.input("x", &[2, 8])?;
    let w = product.parameter("w", &[8, 8])?;
    let y = product.linear(x, w, None)?;
    product.output("y", y)?;
    let case = Case::random(scaling(true)?, DType::F16, 1);
    let weights = case.weights(&gpu)?;
    block_on(gpu.plan(&product.finish()?, &weights))?;
    assert_code(block_on(gpu.plan(&case.graph, &weights)).map(drop), "invalid-graph");
    assert_code(block_on(gpu.plan(&scaling(false)?, &weights)).map(drop), "invalid-graph");
    Ok(())
}

#[test]
fn a_table_larger_than_a_binding_is_split_by_rows() -> Result<()> {
    let options = GpuOptions { max_binding_bytes: Some(4096), ..GpuOptions::default() };
    let Some(gpu) = gpu_with(options) else { return Ok(()) };
    for dtype in [DType::F32, DType::F16, DType::Int8, DType::Int4] {
        let mut g = GraphBuilder::new();
        let ids = g.input("ids", &[9])?;
        let table = g.parameter("table", &[501, 19])?;
        let y = g.embedding(ids, table)?;
        g.output("y", y)?;
        let mut case = Case::random(g.finish()?, dtype, 4);
        case.inputs
            .insert("ids".to_owned(), [0, 51, 52, 53, 54, 499, 500, 250, 700].map(|i| i as f32).to_vec());
        agree(&case, &case.run(&gpu)?)?;
    }
    Ok(())
}

fn filled(gpu: &Gpu, values: &[f32]) -> Result<Tensor> {
    let tensor = gpu.tensor(&[values.len()])?;
    gpu.write(&tensor, values)?;
    Ok(tensor)
}

#[test]
fn combinations() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut random = Random::new(9);
    let data: Vec<Vec<f32>> = (0..MAX_TERMS).map(|_| random.normals(&[300], 1.0)).collect();
    let tensors = data.iter().map(|values| filled(&gpu, values)).collect::<Result<Vec<_>>>()?;
    let out = filled(&gpu, &[7.0; 100])?;

    // Six tensors at different offsets, then `out` in place with two parts of one tensor, twice in one submission.
    let terms = |scale: f32| {
        let term = |(i, tensor)| Term { coefficient: scale * (i as f32 - 2.5), tensor, offset: 3 * i };
        tensors.iter().enumerate().map(term).collect::<Vec<_>>()
    };
    let guidance = || {
        vec![
            Term { coefficient: 0.5, tensor: &out, offset: 10 },
            Term { coefficient: -3.0, tensor: &tensors[0], offset: 0 },
            Term { coefficient: 4.0, tensor: &tensors[0], offset: 150 },
        ]
    };
    let combine = |terms| Command::Combine { out: &out, offset: 10, len: 90, terms };
    for scale in [1.0, -0.25] {
        gpu.submit(&[combine(terms(scale)), combine(guidance()), combine(guidance())])?;
        let actual = block_on(gpu.read(&out))?;
        assert_eq!(actual[..10], [7.0; 10], "what is outside the range stays");
        let expected: Vec<f64> = (0..90)
            .map(|i| {
                let sum: f64 = (0..MAX_TERMS)
                    .map(|n| f64::from(scale) * (n as f64 - 2.5) * f64::from(data[n][3 * n + i]))
                    .sum();
                let guided = -3.0 * f64::from(data[0][i]) + 4.0 * f64::from(data[0][150 + i]);
                0.25 * sum + 1.5 * guided
            })
            .collect();
        assert!(relative_error(&actual[10..], &expected) <= BOUND);
    }

    // Times what moves the sum's deviation 0.7 of the way to the first term's.
    let (len, rescale) = (90, 0.7);
    gpu.submit(&[Command::CombineRescaled { out: &out, offset: 10, len, terms: terms(1.0), rescale }])?;
    let sum =
        |i: usize| (0..MAX_TERMS).map(|n| (n as f64 - 2.5) * f64::from(data[n][3 * n + i])).sum::<f64>();
    let sums: Vec<f64> = (0..len).map(sum).collect();
    let given: Vec<f64> = data[0][..len].iter().map(|&value| f64::from(value)).collect();
    let deviation = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|value| (value - mean).powi(2)).sum::<f64>().sqrt()
    };
    let factor = 1.0 + f64::from(rescale) * (deviation(&given) / deviation(&sums) - 1.0);
    let expected: Vec<f64> = sums.iter().map(|sum| factor * sum).collect();
    assert!(relative_error(&block_on(gpu.read(&out))?[10..], &expected) <= BOUND);

    // No terms make zeros; NaN in `out` is not read.
    gpu.write(&out, &[f32::NAN; 100])?;
    gpu.submit(&[Command::Combine { out: &out, offset: 0, len: 100, terms: Vec::new() }])?;
    assert_eq!(block_on(gpu.read(&out))?, [0.0; 100]);

    let term = |tensor, offset| Term { coefficient: 1.0, tensor, offset };
    let bad = [
        (0, 101, vec![]),
        (0, 100, vec![term(&tensors[0], 201)]),
        (usize::MAX, 2, vec![]),
        (0, 50, vec![term(&out, 20)]),
        (0, 10, (0..=MAX_TERMS).map(|_| term(&tensors[0], 0)).collect()),
    ];
    for (offset, len, terms) in bad {
        assert_code(gpu.submit(&[Command::Combine { out: &out, offset, len, terms }]), "shape-mismatch");
    }
    Ok(())
}

#[test]
fn thresholding_finds_the_quantile_that_sorting_finds() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut random = Random::new(10);
    for len in [1, 2, 3, 255, 256, 257, 3072, 12288] {
        let mut normals = random.normals(&[len], 2.0);
        let rounded: Vec<f32> = normals.iter().map(|value| (2.0 * value).round() / 2.0).collect();
        let small: Vec<f32> = normals.iter().map(|value| 0.1 * value).collect();
        // Beyond what is thresholded nothing changes.
        normals.push(1e9);
        for values in [normals, rounded, small, vec![-3.0; len], vec![0.0; len]] {
            for ratio in [0.0, 0.37, 0.995, 1.0] {
                for sample_max_value in [1.0, 2.5, 1000.0] {
                    let thresholding = Thresholding { ratio, sample_max_value };
                    let estimate = filled(&gpu, &values)?;
                    gpu.submit(&[Command::Threshold { estimate: &estimate, len, thresholding }])?;
                    let actual = block_on(gpu.read(&estimate))?;
                    let mut expected: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
                    thresholding.apply(&mut expected[..len]);
                    for (actual, expected) in actual.iter().zip(&expected) {
                        let error = (f64::from(*actual) - expected).abs();
                        assert!(
                            error <= 1e-6 * expected.abs(),
                            "{thresholding:?}, {len}: {actual} {expected}"
                        );
                    }
                }
            }
        }
    }
    let estimate = filled(&gpu, &[1.0; 4])?;
    let thresholding = Thresholding { ratio: 0.5, sample_max_value: 1.0 };
    let none = Command::Threshold { estimate: &estimate, len: 0, thresholding };
    gpu.submit(&[none])?;
    assert_code(
        gpu.submit(&[Command::Threshold { estimate: &estimate, len: 5, thresholding }]),
        "shape-mismatch",
    );
    Ok(())
}

#[test]
fn a_chain_of_evaluations_and_combinations_in_one_submission() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let mut g = GraphBuilder::new();
    let x = g.input("x", &[5])?;
    let y = g.affine(x, 2.0, 1.0);
    g.output("y", y)?;
    let plan = block_on(gpu.plan(&g.finish()?, &gpu.weights(&[])?))?;
    let (x, y) = (gpu.input(&plan, "x").expect("declared"), gpu.output(&plan, "y").expect("declared"));
    assert!(gpu.input(&plan, "y").is_none() && gpu.output(&plan, "x").is_none());
    gpu.write(x, &[0.0, 1.0, 2.0, 3.0, 4.0])?;
    let feed_back = || Command::Combine {
        out: x,
        offset: 0,
        len: 5,
        terms: vec![Term { coefficient: 1.0, tensor: y, offset: 0 }],
    };
    for _ in 0..5 {
        gpu.submit(&[Command::Evaluate(&plan), feed_back(), Command::Evaluate(&plan), feed_back()])?;
        block_on(gpu.settle(1))?;
    }
    block_on(gpu.settle(0))?;
    let expected: Vec<f32> = (0..5).map(|x| 1024.0 * x as f32 + 1023.0).collect();
    assert_eq!(block_on(gpu.read(x))?, expected);
    Ok(())
}

/// All of several pieces is done, in order.
#[test]
fn long_work_goes_out_in_pieces() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let [short, long] = [(8, 16), (32, 64)].map(|(size, channels)| network(size, channels));
    let [short, long] = [Case::random(short?, DType::F32, 1), Case::random(long?, DType::F32, 2)];
    let short_plan = block_on(gpu.plan(&short.graph, &short.weights(&gpu)?))?;
    let long_plan = block_on(gpu.plan(&long.graph, &long.weights(&gpu)?))?;
    let expected = long.evaluate(&gpu, &long_plan)?;
    let flops = long_plan.account().flops();
    assert!(flops > 4 << 27, "{flops} operations are no more than a few of the first pieces");
    // Everything reads what was made before, which has to have been made again.
    for round in 0..3 {
        for (name, values) in &long.inputs {
            let disturbed: Vec<f32> = values.iter().map(|value| value + 1.0).collect();
            gpu.write(gpu.input(&long_plan, name).expect("declared"), &disturbed)?;
            gpu.submit(&[Command::Evaluate(&long_plan)])?;
            gpu.write(gpu.input(&long_plan, name).expect("declared"), values)?;
        }
        block_on(gpu.submit_in_pieces(&[Command::Evaluate(&short_plan), Command::Evaluate(&long_plan)]))?;
        for (name, expected) in &expected {
            let actual = block_on(gpu.read(gpu.output(&long_plan, name).expect("declared")))?;
            assert_eq!(&actual, expected, "{name} in round {round}");
        }
    }
    Ok(())
}

#[test]
fn read_backs_that_nobody_waits_for() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let values: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let (long, short) = (filled(&gpu, &values)?, filled(&gpu, &[3.0])?);
    let mut first = gpu.begin_read(&[&long])?.expect("the ring is empty");
    let second = gpu.begin_read(&[&short])?.expect("the ring has two places");
    assert!(gpu.begin_read(&[&short])?.is_none(), "a third is dropped");
    block_on(gpu.settle(0))?;
    assert_eq!(block_on(gpu.try_read(&mut first))?, Some(values));
    assert_eq!(block_on(gpu.try_read(&mut first))?, None, "values are handed over once");
    drop(second);
    // A place given up before its values came serves again, for a larger tensor too.
    let mut third = gpu.begin_read(&[&long])?.expect("a place is free again");
    drop(first);
    block_on(gpu.settle(0))?;
    assert_eq!(block_on(gpu.try_read(&mut third))?.map(|values| values.len()), Some(1000));
    Ok(())
}

fn linear_graph() -> Result<Graph> {
    let mut g = GraphBuilder::new();
    let x = g.input("x", &[3, 4])?;
    let w = g.parameter("w", &[5, 4])?;
    let y = g.linear(x, w, None)?;
    g.output("y", y)?;
    g.finish()
}

#[test]
fn weights_that_do_not_fit_the_graph() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let info = |name: &str, shape: &[usize], dtype| TensorInfo {
        name: name.to_owned(),
        shape: shape.to_vec(),
        dtype,
    };
    let graph = linear_graph()?;
    let plan = |weights: &_| block_on(gpu.plan(&graph, weights));

    let error = assert_code(plan(&gpu.weights(&[info("v", &[5, 4], DType::F32)])?), "missing-tensor");
    assert!(error.to_string().contains('w'));
    let mut weights = gpu.weights(&[info("w", &[4, 5], DType::F32)])?;
    gpu.push(&mut weights, 0, 0, &[0; 80])?;
    assert_code(plan(&weights), "tensor-shape");

    let mut weights = gpu.weights(&[info("w", &[5, 4], DType::Int8)])?;
    assert_code(gpu.push(&mut weights, 1, 0, &[0; 4]), "invalid-manifest");
    assert_code(gpu.push(&mut weights, 0, 2, &[0; 4]), "invalid-manifest");
    assert_code(gpu.push(&mut weights, 0, 0, &[0; 3]), "invalid-manifest");
    assert_code(gpu.push(&mut weights, 0, 0, &[0; 44]), "invalid-manifest");
    assert_code(gpu.push(&mut weights, 0, u64::MAX - 3, &[0; 8]), "invalid-manifest");
    gpu.push(&mut weights, 0, 0, &[0; 20])?;
    assert_code(plan(&weights), "missing-tensor");
    gpu.push(&mut weights, 0, 20, &[0; 20])?;
    let _ = plan(&weights)?;
    assert_code(gpu.push(&mut weights, 0, 0, &[0; 4]), "disposed");
    // Planning again needs no stored form.
    let _ = plan(&weights)?;

    let twice = [info("w", &[1], DType::F32), info("w", &[1], DType::F32)];
    assert_code(gpu.weights(&twice), "invalid-manifest");
    assert_code(gpu.weights(&[info("w", &[usize::MAX, 3], DType::F32)]), "invalid-manifest");
    assert_code(gpu.weights(&[info("w", &[0, 3], DType::F32)]), "invalid-manifest");
    Ok(())
}

#[test]
fn limits_are_named() -> Result<()> {
    let options = GpuOptions { max_binding_bytes: Some(4096), ..GpuOptions::default() };
    let Some(gpu) = gpu_with(options) else { return Ok(()) };
    assert_code(gpu.tensor(&[1025]), "limit-too-small");
    assert_code(gpu.tensor(&[usize::MAX, 2]), "shape-mismatch");
    assert_code(gpu.tensor(&[0]), "shape-mismatch");
    let row = TensorInfo { name: "w".to_owned(), shape: vec![2, 5000], dtype: DType::F32 };
    assert_code(gpu.weights(&[row]), "limit-too-small");

    let mut g = GraphBuilder::new();
    let x = g.input("x", &[30, 30])?;
    let wide = g.concat(&[x, x])?;
    let y = g.slice(wide, 0, 1)?;
    g.output("y", y)?;
    let error = assert_code(block_on(gpu.plan(&g.finish()?, &gpu.weights(&[])?)), "limit-too-small");
    assert!(error.to_string().contains("maxStorageBufferBindingSize"), "{error}");

    assert_code(gpu.write(&gpu.tensor(&[3])?, &[0.0; 4]), "shape-mismatch");
    // The device is none the worse.
    let case = Case::random(linear_graph()?, DType::F32, 1);
    agree(&case, &case.run(&gpu)?)
}

#[test]
fn a_device_that_is_gone_says_so() -> Result<()> {
    let Some(gpu) = gpu() else { return Ok(()) };
    let case = Case::random(linear_graph()?, DType::F32, 1);
    let weights = case.weights(&gpu)?;
    let plan = block_on(gpu.plan(&case.graph, &weights))?;
    let output = gpu.output(&plan, "y").expect("declared").clone();
    let mut late = gpu.begin_read(&[&output])?.expect("the ring is empty");
    gpu.submit(&[Command::Evaluate(&plan)])?;
    gpu.destroy();
    for _ in 0..2 {
        assert_code(gpu.submit(&[Command::Evaluate(&plan)]), "device-lost");
        assert_code(block_on(gpu.read(&output)), "device-lost");
        assert_code(gpu.begin_read(&[&output]).map(|_| ()), "device-lost");
        assert_code(block_on(gpu.try_read(&mut late)), "device-lost");
        assert_code(block_on(gpu.settle(0)), "device-lost");
        assert_code(block_on(gpu.plan(&case.graph, &weights)).map(|_| ()), "device-lost");
    }
    // Another device is none the worse.
    let Some(gpu) = gpu_with(GpuOptions::default()) else { return Ok(()) };
    agree(&case, &case.run(&gpu)?)
}

#[test]
fn the_report_says_what_runs() {
    let Some(gpu) = gpu() else { return };
    let report = gpu.report();
    assert_eq!(report.backend, "webgpu");
    assert_eq!(report.device, gpu.info().name);
    println!("{report:?}, software: {}", gpu.info().software);
}
