//! Each kernel's plain twin against the f64 interpreter: the loops that the shaders copy are right.

#![cfg(feature = "native")]

mod gpu_support;

use std::collections::HashMap;

use gpu_support::{Random, relative_error};
use tenstep::Result;
use tenstep::gpu::kernels::attention::AttentionShape;
use tenstep::gpu::kernels::binary::Repetition;
use tenstep::gpu::kernels::conv2d::Conv2dShape;
use tenstep::gpu::kernels::copy_columns::Columns;
use tenstep::gpu::kernels::embedding::EmbeddingShape;
use tenstep::gpu::kernels::group_norm::GroupNormShape;
use tenstep::gpu::kernels::repack::MatrixShape;
use tenstep::gpu::kernels::timestep_embedding::TimestepShape;
use tenstep::gpu::kernels::{
    attention, binary, combine, conv2d, copy_columns, embedding, geglu, group_norm, layer_norm, linear,
    repack, sum_parts, timestep_embedding, unary, unpack, upsample, winograd,
};
use tenstep::graph::{Activation, Array, GraphBuilder, Value, interpret};

const BOUND: f64 = 2e-6;

/// What the interpreter makes of one operation on inputs of these shapes, with the inputs it used.
fn reference(
    shapes: &[&[usize]],
    build: impl FnOnce(&mut GraphBuilder, &[Value]) -> Result<Value>,
) -> Result<(Vec<Vec<f32>>, Vec<f64>)> {
    let mut builder = GraphBuilder::new();
    let mut random = Random::new(11);
    let (mut values, mut inputs, mut arrays) = (Vec::new(), Vec::new(), HashMap::new());
    for (index, shape) in shapes.iter().enumerate() {
        let data = random.normals(shape, 1.0);
        arrays.insert(
            index.to_string(),
            Array::new(shape, data.iter().map(|value| f64::from(*value)).collect()),
        );
        values.push(builder.input(&index.to_string(), shape)?);
        inputs.push(data);
    }
    let y = build(&mut builder, &values)?;
    builder.output("y", y)?;
    let result = interpret(&builder.finish()?, &arrays)?["y"].data.clone();
    Ok((inputs, result))
}

fn close(name: &str, actual: &[f32], expected: &[f64]) {
    let error = relative_error(actual, expected);
    assert!(error <= BOUND, "{name}: relative error {error:.2e}");
}

#[test]
fn winograd_products() -> Result<()> {
    let matrix = MatrixShape::of(&[12, 8, 3, 3]);
    let shape = Conv2dShape {
        batch: 2,
        height: 7,
        width: 6,
        out_height: 7,
        out_width: 6,
        kernel_width: 3,
        stride: 1,
        top: 1,
        left: 1,
        doubled: false,
        many_threads: false,
        matrix,
    };
    let (inputs, expected) =
        reference(&[&[2, 7, 6, 8], &[12, 8, 3, 3]], |g, v| g.conv2d(v[0], v[1], None, 1, [1; 4]))?;
    let weights = winograd::plain_weights(matrix, &inputs[1]);
    close("winograd", &winograd::plain(&shape, &inputs[0], &weights), &expected);

    let (inputs, expected) = reference(&[&[2, 4, 3, 8], &[12, 8, 3, 3]], |g, v| {
        let larger = g.upsample(v[0], 8, 6)?;
        g.conv2d(larger, v[1], None, 1, [1; 4])
    })?;
    let shape = Conv2dShape { height: 8, out_height: 8, doubled: true, ..shape };
    let weights = winograd::plain_weights(matrix, &inputs[1]);
    close("winograd of a doubled picture", &winograd::plain(&shape, &inputs[0], &weights), &expected);
    Ok(())
}

#[test]
fn products() -> Result<()> {
    let (inputs, expected) =
        reference(&[&[2, 7, 5, 6], &[9, 6, 3, 2]], |g, v| g.conv2d(v[0], v[1], None, 2, [1, 0, 2, 1]))?;
    let matrix = MatrixShape::of(&[9, 6, 3, 2]);
    let shape = Conv2dShape {
        batch: 2,
        height: 7,
        width: 5,
        out_height: 4,
        out_width: 3,
        kernel_width: 2,
        stride: 2,
        top: 1,
        left: 0,
        doubled: false,
        many_threads: false,
        matrix,
    };
    close("conv2d", &conv2d::plain(&shape, &inputs[0], &repack::plain(matrix, &inputs[1])), &expected);

    let (inputs, expected) = reference(&[&[2, 3, 4, 6], &[9, 6, 3, 2]], |g, v| {
        let larger = g.upsample(v[0], 6, 8)?;
        g.conv2d(larger, v[1], None, 2, [1, 0, 2, 1])
    })?;
    let shape = Conv2dShape { height: 6, width: 8, out_height: 4, out_width: 4, doubled: true, ..shape };
    let doubled = conv2d::plain(&shape, &inputs[0], &repack::plain(shape.matrix, &inputs[1]));
    close("conv2d of a doubled picture", &doubled, &expected);

    let (inputs, expected) = reference(&[&[5, 21], &[10, 21]], |g, v| g.linear(v[0], v[1], None))?;
    let matrix = MatrixShape::of(&[10, 21]);
    let packed = repack::plain(matrix, &inputs[1]);
    close("linear", &linear::plain(5, matrix, &inputs[0], &packed), &expected);
    let as_conv = conv2d::plain(&Conv2dShape::linear(5, matrix), &inputs[0], &packed);
    close("linear as conv2d", &as_conv, &expected);

    let rows_of = |first: usize, count: usize| -> Vec<f32> {
        inputs[0].chunks(21).flat_map(|row| row[first..first + count].to_vec()).collect()
    };
    let part = |first: usize, count: usize| {
        let shape = MatrixShape { channels: count, ..matrix };
        conv2d::plain(&Conv2dShape::linear(5, shape), &rows_of(first, count), &packed[first * 12..])
    };
    let parts = [part(0, 12), part(12, 9)].concat();
    close("linear in two parts", &sum_parts::plain(2, &parts), &expected);

    let gated = MatrixShape { gated: true, ..MatrixShape::of(&[8, 1]) };
    let stored: Vec<f32> = (0..8).map(|output| output as f32).collect();
    assert_eq!(repack::plain(gated, &stored)[..8], [0.0, 1.0, 4.0, 5.0, 2.0, 3.0, 6.0, 7.0]);
    Ok(())
}

#[test]
fn norms() -> Result<()> {
    let (inputs, expected) =
        reference(&[&[2, 70, 60, 12], &[12], &[12]], |g, v| g.group_norm(v[0], v[1], v[2], 3, 1e-5))?;
    let shape = GroupNormShape { batch: 2, pixels: 4200, channels: 12, groups: 3, eps: 1e-5 };
    assert!(shape.slices().0 > 1);
    close("group_norm", &group_norm::plain(&shape, &inputs[0], &inputs[1], &inputs[2]), &expected);
    let (inputs, expected) =
        reference(&[&[3, 50], &[50], &[50]], |g, v| g.layer_norm(v[0], v[1], v[2], 1e-5))?;
    close("layer_norm", &layer_norm::plain(50, 1e-5, &inputs[0], &inputs[1], &inputs[2]), &expected);
    Ok(())
}

#[test]
fn attention_in_one_pass() -> Result<()> {
    for (queries, keys, causal) in [(40, 70, false), (45, 45, true)] {
        let (inputs, expected) = reference(&[&[2, queries, 12], &[2, keys, 12], &[2, keys, 12]], |g, v| {
            g.attention(v[0], v[1], v[2], 2, 3.0, causal)
        })?;
        let shape = AttentionShape { batch: 2, queries, keys, width: 12, heads: 2, scale: 3.0, causal };
        close("attention", &attention::plain(&shape, &inputs[0], &inputs[1], &inputs[2]), &expected);
    }
    Ok(())
}

#[test]
fn elementwise() -> Result<()> {
    for activation in [
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::QuickGelu,
        Activation::Relu,
        Activation::Tanh,
    ] {
        let (inputs, expected) = reference(&[&[300]], |g, v| {
            let wide = g.affine(v[0], 2.0, 0.5);
            Ok(g.activation(wide, activation))
        })?;
        close("unary", &unary::plain(Some(activation), [2.0, 0.5], &inputs[0]), &expected);
    }
    for z in [[2, 3, 5, 7], [2, 1, 5, 1], [1, 3, 1, 7], [1, 1, 1, 1]] {
        let x = [2, 3, 5, 7];
        let (inputs, expected) = reference(&[&x, &z], |g, v| g.multiply(v[0], v[1]))?;
        let repetition = Repetition::of(&x, &z);
        close("binary", &binary::plain(&repetition, true, &inputs[0], &inputs[1]), &expected);
    }
    let (inputs, expected) = reference(&[&[6, 10]], |g, v| g.geglu(v[0]))?;
    close("geglu", &geglu::plain(5, &inputs[0]), &expected);
    let combined = combine::plain(10, &[(0.5, &inputs[0][..10]), (-2.0, &inputs[0][10..20])]);
    let by_hand: Vec<f64> =
        (0..10).map(|i| 0.5 * f64::from(inputs[0][i]) - 2.0 * f64::from(inputs[0][10 + i])).collect();
    close("combine", &combined, &by_hand);
    Ok(())
}

#[test]
fn moves() -> Result<()> {
    let (inputs, expected) = reference(&[&[2, 3, 4, 5]], |g, v| g.upsample(v[0], 7, 8))?;
    close("upsample", &upsample::plain([2, 3, 4, 5], [2, 7, 8, 5], &inputs[0]), &expected);
    let (inputs, expected) = reference(&[&[6, 5], &[6, 3]], |g, v| g.concat(v))?;
    let mut y = vec![0.0; 48];
    for (x, len, to_column) in [(&inputs[0], 5, 0), (&inputs[1], 3, 5)] {
        let columns = Columns { rows: 6, len, x_width: len, y_width: 8, from_column: 0, to_column };
        copy_columns::plain(&columns, x, &mut y);
    }
    close("copy_columns", &y, &expected);

    let ids = [3.0, 0.0, 8.0, 40.0, -2.0];
    let table: Vec<f32> = (0..27).map(|i| i as f32).collect();
    let mut y = vec![0.0; 15];
    for (first_row, rows) in [(0, 4), (4, 5)] {
        let shape = EmbeddingShape { count: 5, width: 3, table_rows: 9, first_row, rows };
        embedding::plain(&shape, &ids, &table[3 * first_row..], &mut y);
    }
    assert_eq!(y, [9, 10, 11, 0, 1, 2, 24, 25, 26, 24, 25, 26, 0, 1, 2].map(|i| i as f32));
    assert_eq!(unpack::plain(2, &[1, -127, 3, 0], &[0.5, 2.0]), [0.5, -63.5, 6.0, 0.0]);
    // Two rows of five, of which groups of four and of one: q = 1, -1, 7, -7, 2; 0, 3, -3, 1, 1.
    let nibbles = [0xf1, 0x97, 0x02, 0xd3, 0x11];
    let values = unpack::plain_nibbles([5, 4], &nibbles, &[1.0, 0.5, 2.0, 4.0]);
    assert_eq!(values, [1.0, -1.0, 7.0, -7.0, 1.0, 0.0, 6.0, -6.0, 2.0, 4.0]);
    Ok(())
}

#[test]
fn timesteps() -> Result<()> {
    for (flip_sin_to_cos, freq_shift) in [(true, 0.0), (false, 1.0)] {
        let mut builder = GraphBuilder::new();
        let t = builder.input("t", &[4])?;
        let y = builder.timestep_embedding(t, 64, flip_sin_to_cos, freq_shift)?;
        builder.output("y", y)?;
        let timesteps = [0.0f32, 999.0, 501.3728, 4000.25];
        let array = Array::new(&[4], timesteps.map(f64::from).to_vec());
        let expected = interpret(&builder.finish()?, &HashMap::from([("t".to_owned(), array)]))?;
        let shape = TimestepShape { batch: 4, dim: 64, flip_sin_to_cos, freq_shift };
        close("timestep_embedding", &timestep_embedding::plain(&shape, &timesteps), &expected["y"].data);
    }
    Ok(())
}
