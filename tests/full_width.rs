//! Stable Diffusion 1.5's UNet at its full width: 860 million parameters from the formula, against PyTorch.
//!
//! Needs 8 GB and minutes, so it is run by hand: `cargo test --release --test full_width -- --ignored --nocapture`.
//! Golden: tests/goldens/models/sd15_full_width, made by training/goldens/full_width.py.

mod formula;
mod support;

use pollster::block_on;
use support::{Goldens, relative_error};
use tenstep::burn::Cpu;
use tenstep::executor::{Command, Executor};
use tenstep::graph::Graph;
use tenstep::model::{UNetConfig, UNetRequest, unet};
use tenstep::weights::{DType, TensorInfo};

const FAMILY: &str = "sd15_full_width";
const TIMESTEP: f32 = 500.25;
/// f32 arithmetic in another order than PyTorch's.
const PARITY: f64 = 1e-4;
/// Rounding each weight to 255 levels of its row leaves an error of `1 / (255 · √12) · √3` of a weight's deviation,
/// 0.2 %, where weights are uniform; it adds up over some two hundred layers in a row.
const PARITY_IN_INT8: f64 = 5e-2;

fn graph() -> Graph {
    let path = format!("{}/tests/goldens/models/{FAMILY}/unet.json", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read_to_string(path).expect("unet.json");
    let config = UNetConfig::from_json(&serde_json::from_str(&json).expect("JSON")).expect("a config");
    let request = UNetRequest { batch: 1, height: 16, width: 12, text_length: 77, ..UNetRequest::default() };
    unet(&config, &request).expect("a graph")
}

/// The stored form of one parameter. Matrices and kernels may be int8, the rest stays f32.
fn stored(info: &TensorInfo) -> Vec<u8> {
    let values = formula::parameter(&info.name, &info.shape);
    if info.dtype == DType::F32 {
        return values.iter().flat_map(|value| value.to_le_bytes()).collect();
    }
    let row = values.len() / info.rows();
    let scales: Vec<f32> = values
        .chunks(row)
        .map(|row| row.iter().fold(0f32, |largest, value| largest.max(value.abs())) / 127.0)
        .collect();
    let rounded = values
        .chunks(row)
        .zip(&scales)
        .flat_map(|(row, scale)| row.iter().map(move |value| (value / scale).round() as i8 as u8));
    let mut bytes: Vec<u8> = scales.iter().flat_map(|scale| scale.to_le_bytes()).chain(rounded).collect();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

async fn error_of<E: Executor>(executor: &E, dtype: DType) -> f64 {
    let graph = graph();
    let tensors: Vec<TensorInfo> = graph
        .parameters()
        .map(|(name, value)| {
            let shape = graph.shape(value).to_vec();
            let dtype = if shape.len() > 1 { dtype } else { DType::F32 };
            TensorInfo { name: name.to_owned(), shape, dtype }
        })
        .collect();
    let mut weights = executor.weights(&tensors).expect("room for weights");
    for (index, info) in tensors.iter().enumerate() {
        executor.push(&mut weights, index, 0, &stored(info)).expect("a push");
    }
    let plan = executor.plan(&graph, &weights).await.expect("a plan");
    for (name, value) in graph.inputs() {
        let count = graph.shape(value).iter().product();
        let values = match name {
            "timestep" => vec![TIMESTEP],
            _ => formula::normal_input(&format!("{FAMILY}.{name}"), count),
        };
        executor.write(executor.input(&plan, name).expect(name), &values).expect("a write");
    }
    let started = std::time::Instant::now();
    executor.submit(&[Command::Evaluate(&plan)]).expect("a submission");
    let output = executor.read(executor.output(&plan, "model_output").expect("model_output")).await;
    let seconds = started.elapsed().as_secs_f64();
    let golden = Goldens::open(&format!("models/{FAMILY}"));
    let error = relative_error(&output.expect("a read"), &golden.array("unet.model_output"));
    println!("{:?}, {dtype:?}: relative error {error:.1e}, {seconds:.1} s", executor.report());
    error
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_cpu_agrees_in_f32() {
    assert!(block_on(error_of(&Cpu::new(), DType::F32)) <= PARITY);
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_cpu_agrees_in_int8() {
    assert!(block_on(error_of(&Cpu::new(), DType::Int8)) <= PARITY_IN_INT8);
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_gpu_agrees_in_f32() {
    let Some(gpu) = block_on(support::gpu()) else { return };
    assert!(block_on(error_of(&gpu, DType::F32)) <= PARITY);
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_gpu_agrees_in_int8() {
    let Some(gpu) = block_on(support::gpu()) else { return };
    assert!(block_on(error_of(&gpu, DType::Int8)) <= PARITY_IN_INT8);
}
