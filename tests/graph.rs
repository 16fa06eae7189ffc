//! Graphs: what the builder refuses, what an evaluation costs, what each operation means, and which inputs and outputs
//! a network can have.

use std::collections::HashMap;
use std::path::Path;

use tenstep::graph::{Activation, Array, Cost, Graph, GraphBuilder, Value, interpret};
use tenstep::model::{SecondTextBranch, UNetConfig, UNetRequest, skip_shapes, unet};
use tenstep::{Error, Result};

/// Inputs of the given shapes, named `0`, `1`, ….
fn with_inputs(shapes: &[&[usize]]) -> (GraphBuilder, Vec<Value>) {
    let mut graph = GraphBuilder::new();
    let values = shapes.iter().enumerate();
    let values =
        values.map(|(index, shape)| graph.input(&index.to_string(), shape).expect("an input")).collect();
    (graph, values)
}

type Build = fn(&mut GraphBuilder, &[Value]) -> Result<Value>;

#[test]
fn the_builder_refuses_ill_shaped_operations_by_name() {
    let cases: &[(&str, &[&[usize]], Build)] = &[
        ("linear", &[&[2, 3], &[5, 4]], |g, v| g.linear(v[0], v[1], None)),
        ("linear", &[&[2, 4], &[5, 4], &[4]], |g, v| g.linear(v[0], v[1], Some(v[2]))),
        ("linear", &[&[2, 4], &[5, 4, 3, 3]], |g, v| g.linear(v[0], v[1], None)),
        ("linear", &[&[], &[5, 4]], |g, v| g.linear(v[0], v[1], None)),
        ("conv2d", &[&[1, 4, 4, 3], &[8, 4, 3, 3]], |g, v| g.conv2d(v[0], v[1], None, 1, [1; 4])),
        ("conv2d", &[&[4, 4, 3], &[8, 3, 3, 3]], |g, v| g.conv2d(v[0], v[1], None, 1, [1; 4])),
        ("conv2d", &[&[1, 2, 2, 3], &[8, 3, 3, 3]], |g, v| g.conv2d(v[0], v[1], None, 1, [0; 4])),
        ("conv2d", &[&[1, 4, 4, 3], &[8, 3, 3, 3]], |g, v| g.conv2d(v[0], v[1], None, 0, [1; 4])),
        ("conv2d", &[&[1, 4, 4, 3], &[8, 3, 3, 3], &[7]], |g, v| g.conv2d(v[0], v[1], Some(v[2]), 1, [1; 4])),
        ("conv2d", &[&[1, 4, 4, 3], &[8, 3, 3, 3]], |g, v| g.conv2d(v[0], v[1], None, 1, [usize::MAX; 4])),
        ("group_norm", &[&[1, 4, 6], &[6], &[6]], |g, v| g.group_norm(v[0], v[1], v[2], 4, 1e-5)),
        ("group_norm", &[&[1, 4, 6], &[6], &[6]], |g, v| g.group_norm(v[0], v[1], v[2], 0, 1e-5)),
        ("group_norm", &[&[1, 4, 6], &[6], &[5]], |g, v| g.group_norm(v[0], v[1], v[2], 3, 1e-5)),
        ("layer_norm", &[&[1, 4, 6], &[4], &[6]], |g, v| g.layer_norm(v[0], v[1], v[2], 1e-5)),
        ("add", &[&[2, 3], &[2, 4]], |g, v| g.add(v[0], v[1])),
        ("add", &[&[2, 1], &[2, 4]], |g, v| g.add(v[0], v[1])),
        ("add", &[&[2, 3], &[3]], |g, v| g.add(v[0], v[1])),
        ("multiply", &[&[2, 3], &[3, 3]], |g, v| g.multiply(v[0], v[1])),
        ("geglu", &[&[2, 3]], |g, v| g.geglu(v[0])),
        ("attention", &[&[1, 5, 6], &[1, 7, 6], &[1, 8, 6]], |g, v| {
            g.attention(v[0], v[1], v[2], 2, 1.0, false)
        }),
        ("attention", &[&[1, 5, 6], &[2, 7, 6], &[2, 7, 6]], |g, v| {
            g.attention(v[0], v[1], v[2], 2, 1.0, false)
        }),
        ("attention", &[&[1, 5, 6], &[1, 7, 6], &[1, 7, 6]], |g, v| {
            g.attention(v[0], v[1], v[2], 4, 1.0, false)
        }),
        ("attention", &[&[1, 5, 6], &[1, 7, 6], &[1, 7, 6]], |g, v| {
            g.attention(v[0], v[1], v[2], 2, 1.0, true)
        }),
        ("embedding", &[&[2, 3], &[7]], |g, v| g.embedding(v[0], v[1])),
        ("embedding", &[&[1 << 40], &[7, 1 << 40]], |g, v| g.embedding(v[0], v[1])),
        ("timestep_embedding", &[&[2]], |g, v| g.timestep_embedding(v[0], 7, true, 0.0)),
        ("timestep_embedding", &[&[2]], |g, v| g.timestep_embedding(v[0], 2, true, 1.0)),
        ("timestep_embedding", &[&[2, 1]], |g, v| g.timestep_embedding(v[0], 8, true, 0.0)),
        ("upsample", &[&[1, 4, 3]], |g, v| g.upsample(v[0], 8, 8)),
        ("upsample", &[&[1, 4, 4, 3]], |g, v| g.upsample(v[0], 8, 0)),
        ("upsample", &[&[1, 4, 4, 3]], |g, v| g.upsample(v[0], usize::MAX, 2)),
        ("concat", &[&[1, 2], &[2, 2]], |g, v| g.concat(v)),
        ("concat", &[&[1, 2]], |g, v| g.concat(v)),
        ("slice", &[&[2, 5]], |g, v| g.slice(v[0], 3, 3)),
        ("slice", &[&[2, 5]], |g, v| g.slice(v[0], 3, 0)),
        ("slice", &[&[2, 5]], |g, v| g.slice(v[0], 1, usize::MAX)),
        ("reshape", &[&[2, 6]], |g, v| g.reshape(v[0], &[3, 5])),
        ("reshape", &[&[2, 6]], |g, v| g.reshape(v[0], &[usize::MAX, 5])),
        ("input", &[], |g, _| g.input("x", &[2, 0])),
        ("parameter", &[], |g, _| g.parameter("w", &[usize::MAX, 2])),
    ];
    for (index, (name, shapes, build)) in cases.iter().enumerate() {
        let (mut graph, values) = with_inputs(shapes);
        match build(&mut graph, &values) {
            Err(Error::ShapeMismatch { operation, .. }) => assert_eq!(&operation, name, "case {index}"),
            other => panic!("case {index}, {name} of {shapes:?}: {other:?}"),
        }
    }
}

#[test]
fn names_are_unique_and_parameters_are_shared() {
    let mut graph = GraphBuilder::new();
    let x = graph.input("x", &[2, 3]).expect("an input");
    assert_eq!(graph.input("x", &[2, 3]).expect_err("twice").code(), "invalid-graph");
    let w = graph.parameter("w", &[3, 3]).expect("a parameter");
    assert_eq!(graph.parameter("w", &[3, 3]), Ok(w));
    assert_eq!(graph.parameter("w", &[3, 2]).expect_err("another shape").code(), "shape-mismatch");
    assert_eq!(graph.output("y", x).expect_err("an input").code(), "invalid-graph");
    assert_eq!(graph.output("y", w).expect_err("a parameter").code(), "invalid-graph");
    let y = graph.linear(x, w, None).expect("a map");
    graph.output("y", y).expect("an output");
    assert_eq!(graph.output("y", y).expect_err("twice").code(), "invalid-graph");
    assert_eq!(GraphBuilder::new().finish().expect_err("no output").code(), "invalid-graph");
}

#[test]
fn the_cost_of_a_graph_is_the_sum_over_its_operations() {
    let mut graph = GraphBuilder::new();
    let x = graph.input("x", &[2, 4, 4, 3]).expect("an input");
    let w = graph.parameter("w", &[8, 3, 3, 3]).expect("a parameter");
    let b = graph.parameter("b", &[8]).expect("a parameter");
    let y = graph.conv2d(x, w, Some(b), 2, [1; 4]).expect("a convolution");
    let y = graph.activation(y, Activation::Silu);
    let y = graph.reshape(y, &[2, 4, 8]).expect("a reshape");
    let y = graph.attention(y, y, y, 2, 1.0, false).expect("attention");
    graph.output("y", y).expect("an output");
    let graph = graph.finish().expect("a graph");
    // 2·2·2·8 = 64 values: a convolution of 27 multiply-adds and a bias each; an activation of 3 each; attention of
    // 2 samples · 4 queries · 4 keys · 8 channels, a multiply-add each for scores and sums.
    let flops = 64 * (2 * 27 + 1) + 64 * 3 + 4 * (2 * 4 * 4 * 8);
    let expected = Cost { flops, parameters: 8 * 27 + 8, activation_bytes: 4 * 3 * 64 };
    assert_eq!(graph.cost(), expected);
}

/// Evaluates one operation on inputs of the given shapes and values.
fn evaluate(inputs: &[(&[usize], &[f64])], build: Build) -> Array {
    let shapes: Vec<&[usize]> = inputs.iter().map(|(shape, _)| *shape).collect();
    let (mut graph, values) = with_inputs(&shapes);
    let y = build(&mut graph, &values).expect("an operation");
    graph.output("y", y).expect("an output");
    let arrays = inputs.iter().enumerate();
    let arrays = arrays.map(|(index, (shape, data))| (index.to_string(), Array::new(shape, data.to_vec())));
    let mut outputs = interpret(&graph.finish().expect("a graph"), &arrays.collect()).expect("values");
    outputs.remove("y").expect("y")
}

#[track_caller]
fn assert_close(actual: &Array, shape: &[usize], expected: &[f64]) {
    assert_eq!(actual.shape, shape);
    for (a, e) in actual.data.iter().zip(expected) {
        assert!((a - e).abs() < 1e-12, "{:?}, expected {expected:?}", actual.data);
    }
}

#[test]
fn linear_maps_multiply_rows_of_the_weight() {
    let x: (&[usize], &[f64]) = (&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let b: (&[usize], &[f64]) = (&[3], &[0.5, 0.0, -0.5]);
    let weight = [1.0, 0.0, 0.0, 1.0, 1.0, -1.0];
    let expected = [1.5, 2.0, -1.5, 3.5, 4.0, -1.5];
    for shape in [vec![3, 2], vec![3, 2, 1, 1]] {
        let y = evaluate(&[x, (&shape, &weight), b], |g, v| g.linear(v[0], v[1], Some(v[2])));
        assert_close(&y, &[2, 3], &expected);
    }
}

#[test]
fn convolutions_correlate_and_pad_each_side_by_itself() {
    let x: (&[usize], &[f64]) = (&[1, 2, 3, 1], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let kernel: (&[usize], &[f64]) = (&[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]);
    let y = evaluate(&[x, kernel], |g, v| g.conv2d(v[0], v[1], None, 1, [0; 4]));
    assert_close(&y, &[1, 1, 2, 1], &[5421.0, 6532.0]);
    let y = evaluate(&[x, kernel], |g, v| g.conv2d(v[0], v[1], None, 2, [0, 0, 0, 1]));
    assert_close(&y, &[1, 1, 2, 1], &[5421.0, 603.0]);
    let y = evaluate(&[x, kernel], |g, v| g.conv2d(v[0], v[1], None, 3, [1, 1, 0, 1]));
    assert_close(&y, &[1, 1, 2, 1], &[1000.0, 300.0]);
}

#[test]
fn convolutions_keep_input_and_output_channels_apart() {
    let x: (&[usize], &[f64]) = (&[1, 1, 2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let kernel: (&[usize], &[f64]) = (&[2, 2, 1, 2], &[1.0, 0.0, 0.0, 10.0, 0.0, 1.0, 100.0, 0.0]);
    let bias: (&[usize], &[f64]) = (&[2], &[0.5, -0.5]);
    let y = evaluate(&[x, kernel, bias], |g, v| g.conv2d(v[0], v[1], Some(v[2]), 1, [0; 4]));
    assert_close(&y, &[1, 1, 1, 2], &[1.0 + 40.0 + 0.5, 3.0 + 200.0 - 0.5]);
}

#[test]
fn group_norm_takes_pixels_and_channels_of_a_group_together() {
    let x: (&[usize], &[f64]) = (&[1, 2, 4], &[1.0, 3.0, 0.0, 0.0, 5.0, 7.0, 0.0, 2.0]);
    let gamma: (&[usize], &[f64]) = (&[4], &[1.0, 2.0, 1.0, 1.0]);
    let beta: (&[usize], &[f64]) = (&[4], &[0.0, 0.0, 0.0, 5.0]);
    // Group 0 holds 1 3 5 7: mean 4, variance 5. Group 1 holds 0 0 0 2: mean 0.5, variance 0.75.
    let y = evaluate(&[x, gamma, beta], |g, v| g.group_norm(v[0], v[1], v[2], 2, 0.25));
    let (first, second) = (5.25f64.sqrt(), 1.0);
    let expected =
        [-3.0 / first, -2.0 / first, -0.5, -0.5 + 5.0, 1.0 / first, 6.0 / first, -0.5, 1.5 / second + 5.0];
    assert_close(&y, &[1, 2, 4], &expected);
}

#[test]
fn layer_norm_takes_the_last_axis_alone() {
    let x: (&[usize], &[f64]) = (&[2, 2], &[1.0, 3.0, -5.0, -5.0]);
    let gamma: (&[usize], &[f64]) = (&[2], &[2.0, 2.0]);
    let beta: (&[usize], &[f64]) = (&[2], &[1.0, 0.0]);
    let y = evaluate(&[x, gamma, beta], |g, v| g.layer_norm(v[0], v[1], v[2], 3.0));
    assert_close(&y, &[2, 2], &[0.0, 1.0, 1.0, 0.0]);
}

#[test]
fn activations_have_their_published_values() {
    // At 1, as PyTorch gives them in f64.
    let cases = [
        (Activation::Silu, 0.731058578630005),
        (Activation::Gelu, 0.841344746068543),
        (Activation::GeluTanh, 0.841191990608276),
        (Activation::QuickGelu, 0.845795765932821),
        (Activation::Relu, 1.0),
        (Activation::Tanh, 0.761594155955765),
    ];
    for (activation, expected) in cases {
        let mut graph = GraphBuilder::new();
        let x = graph.input("x", &[1]).expect("an input");
        let y = graph.activation(x, activation);
        graph.output("y", y).expect("an output");
        let values = HashMap::from([("x".to_owned(), Array::new(&[1], vec![1.0]))]);
        let y = interpret(&graph.finish().expect("a graph"), &values).expect("values");
        assert!((y["y"].data[0] - expected).abs() < 1e-12, "{activation:?}: {:?}", y["y"].data);
    }
    let below = evaluate(&[(&[1], &[-2.0])], |g, v| Ok(g.activation(v[0], Activation::Relu)));
    assert_close(&below, &[1], &[0.0]);
}

#[test]
fn sums_and_products_repeat_extents_of_one() {
    let x: (&[usize], &[f64]) = (&[2, 1, 2], &[1.0, 2.0, 3.0, 4.0]);
    let y = evaluate(&[x, (&[2, 1, 1], &[10.0, 20.0])], |g, v| g.add(v[0], v[1]));
    assert_close(&y, &[2, 1, 2], &[11.0, 12.0, 23.0, 24.0]);
    let y = evaluate(&[x, (&[1, 1, 2], &[10.0, 20.0])], |g, v| g.multiply(v[0], v[1]));
    assert_close(&y, &[2, 1, 2], &[10.0, 40.0, 30.0, 80.0]);
    let y = evaluate(&[x], |g, v| Ok(g.affine(v[0], 2.0, -1.0)));
    assert_close(&y, &[2, 1, 2], &[1.0, 3.0, 5.0, 7.0]);
}

#[test]
fn geglu_gates_the_first_half_with_the_second() {
    let y = evaluate(&[(&[1, 4], &[2.0, 3.0, 1.0, 0.0])], |g, v| g.geglu(v[0]));
    assert_close(&y, &[1, 2], &[2.0 * 0.841344746068543, 0.0]);
}

#[test]
fn attention_weighs_values_for_each_head() {
    // Two heads of width 1; the scores of head 0 differ by ln 3, those of head 1 not at all.
    let three = 3f64.ln();
    let q: (&[usize], &[f64]) = (&[1, 2, 2], &[2.0, 0.0, 0.0, 0.0]);
    let k: (&[usize], &[f64]) = (&[1, 2, 2], &[0.0, 5.0, three, 7.0]);
    let v: (&[usize], &[f64]) = (&[1, 2, 2], &[4.0, 10.0, 8.0, 20.0]);
    let y = evaluate(&[q, k, v], |g, v| g.attention(v[0], v[1], v[2], 2, 0.5, false));
    assert_close(&y, &[1, 2, 2], &[7.0, 15.0, 6.0, 15.0]);
    let y = evaluate(&[q, k, v], |g, v| g.attention(v[0], v[1], v[2], 2, 0.5, true));
    assert_close(&y, &[1, 2, 2], &[4.0, 10.0, 6.0, 15.0]);
}

#[test]
fn embeddings_are_rows_of_the_table_and_never_outside() {
    let table: (&[usize], &[f64]) = (&[3, 2], &[0.0, 1.0, 10.0, 11.0, 20.0, 21.0]);
    let y = evaluate(&[(&[4], &[2.0, 0.0, 99.0, -1.0]), table], |g, v| g.embedding(v[0], v[1]));
    assert_close(&y, &[4, 2], &[20.0, 21.0, 0.0, 1.0, 20.0, 21.0, 0.0, 1.0]);
}

#[test]
fn timesteps_become_sinusoids() {
    // Frequencies 1 and 10000^(-1/2) = 0.01; with freq_shift 1, 1 and 10000^-1.
    let y = evaluate(&[(&[1], &[0.5])], |g, v| g.timestep_embedding(v[0], 4, false, 0.0));
    assert_close(&y, &[1, 4], &[0.5f64.sin(), 0.005f64.sin(), 0.5f64.cos(), 0.005f64.cos()]);
    let y = evaluate(&[(&[1], &[0.5])], |g, v| g.timestep_embedding(v[0], 4, true, 1.0));
    assert_close(&y, &[1, 4], &[0.5f64.cos(), 0.00005f64.cos(), 0.5f64.sin(), 0.00005f64.sin()]);
}

#[test]
fn upsampling_repeats_the_nearest_pixel() {
    let x: (&[usize], &[f64]) = (&[1, 1, 2, 1], &[1.0, 2.0]);
    let y = evaluate(&[x], |g, v| g.upsample(v[0], 2, 4));
    assert_close(&y, &[1, 2, 4, 1], &[1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    let y = evaluate(&[x], |g, v| g.upsample(v[0], 1, 3));
    assert_close(&y, &[1, 1, 3, 1], &[1.0, 1.0, 2.0]);
}

#[test]
fn concat_slice_and_reshape_move_the_last_axis() {
    let x: (&[usize], &[f64]) = (&[2, 1], &[1.0, 2.0]);
    let y: (&[usize], &[f64]) = (&[2, 2], &[3.0, 4.0, 5.0, 6.0]);
    let joined = evaluate(&[x, y], |g, v| g.concat(v));
    assert_close(&joined, &[2, 3], &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
    assert_close(&evaluate(&[y], |g, v| g.slice(v[0], 1, 1)), &[2, 1], &[4.0, 6.0]);
    assert_close(&evaluate(&[y], |g, v| g.reshape(v[0], &[1, 4])), &[1, 4], &[3.0, 4.0, 5.0, 6.0]);
}

#[test]
fn the_interpreter_names_what_is_missing_or_misshapen() {
    let (mut graph, values) = with_inputs(&[&[2, 3]]);
    let y = graph.affine(values[0], 2.0, 0.0);
    graph.output("y", y).expect("an output");
    let graph = graph.finish().expect("a graph");
    let error = interpret(&graph, &HashMap::new()).expect_err("no input");
    assert_eq!(error, Error::MissingTensor { tensor: "0".to_owned() });
    let turned = HashMap::from([("0".to_owned(), Array::new(&[3, 2], vec![0.0; 6]))]);
    assert_eq!(interpret(&graph, &turned).expect_err("3x2").code(), "tensor-shape");
}

/// Shapes by name.
fn shapes<'a>(
    graph: &'a Graph,
    values: impl Iterator<Item = (&'a str, Value)>,
) -> Vec<(&'a str, Vec<usize>)> {
    values.map(|(name, value)| (name, graph.shape(value).to_vec())).collect()
}

/// One network with every kind of input and output that later methods need. That each of them does what it should is
/// the parity test's business: this network is its `options_b`.
#[test]
fn a_network_has_every_kind_of_input_and_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models/options_b");
    let json = std::fs::read_to_string(folder.join("unet.json")).expect("a config");
    let config = UNetConfig::from_json(&serde_json::from_str(&json).expect("JSON")).expect("a config");
    let request = UNetRequest {
        batch: 3,
        height: 7,
        width: 5,
        text_length: 6,
        additional_residuals: true,
        second_text_branch: Some(SecondTextBranch { length: 4, width: 10 }),
        features: ["down_blocks.0", "mid_block", "up_blocks.0"].map(str::to_owned).to_vec(),
        ..UNetRequest::default()
    };
    let graph = unet(&config, &request).expect("a graph");
    let expected_inputs = [
        // Latents 3, and a mask, a masked picture and so on: concatenated channels.
        ("sample", vec![3, 7, 5, 9]),
        ("timestep", vec![3]),
        ("class_labels", vec![3]),
        ("encoder_hidden_states", vec![3, 6, 24]),
        ("encoder_hidden_states_2", vec![3, 4, 10]),
        ("encoder_hidden_states_2_scale", vec![3]),
        ("down_block_additional_residuals.0", vec![3, 7, 5, 32]),
        ("down_block_additional_residuals.1", vec![3, 7, 5, 32]),
        ("down_block_additional_residuals.2", vec![3, 4, 3, 32]),
        ("down_block_additional_residuals.3", vec![3, 4, 3, 64]),
        ("mid_block_additional_residual", vec![3, 4, 3, 64]),
    ];
    assert_eq!(shapes(&graph, graph.inputs()), expected_inputs);
    let expected_outputs = [
        ("down_blocks.0", vec![3, 4, 3, 32]),
        ("mid_block", vec![3, 4, 3, 64]),
        ("up_blocks.0", vec![3, 7, 5, 64]),
        ("model_output", vec![3, 7, 5, 3]),
    ];
    assert_eq!(shapes(&graph, graph.outputs()), expected_outputs);
    let residuals: Vec<_> = expected_inputs[6..10].iter().map(|(_, shape)| shape.clone()).collect();
    assert_eq!(skip_shapes(&config, &request), Ok(residuals));
}
