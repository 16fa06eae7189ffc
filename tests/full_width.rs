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
/// f32 arithmetic in another order than PyTorch's, which has the same weights: those of the formula, or for int8
/// what is left of them after rounding.
const PARITY: f64 = 1e-4;
/// What rounding to int8 costs: each weight is off by 0.2 % of its row's largest, and that adds up over some two
/// hundred layers in a row.
const COST_OF_INT8: f64 = 5e-2;

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

async fn assert_parity<E: Executor>(executor: &E, dtype: DType) {
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
    let output = output.expect("a read");
    let goldens = Goldens::open(&format!("models/{FAMILY}"));
    let exact = relative_error(&output, &goldens.array("unet.model_output"));
    let rounded = relative_error(&output, &goldens.array("unet.model_output_int8"));
    println!(
        "{:?}, {dtype:?}: {exact:.1e} from PyTorch, {rounded:.1e} with int8 weights; {seconds:.1} s",
        executor.report()
    );
    match dtype {
        DType::Int8 => assert!(rounded <= PARITY && exact <= COST_OF_INT8),
        _ => assert!(exact <= PARITY),
    }
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_cpu_agrees_in_f32() {
    block_on(assert_parity(&Cpu::new(), DType::F32));
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_cpu_agrees_in_int8() {
    block_on(assert_parity(&Cpu::new(), DType::Int8));
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_gpu_agrees_in_f32() {
    let Some(gpu) = block_on(support::gpu()) else { return };
    block_on(assert_parity(&gpu, DType::F32));
}

#[test]
#[ignore = "860 million parameters: minutes and 8 GB; run by hand"]
fn the_gpu_agrees_in_int8() {
    let Some(gpu) = block_on(support::gpu()) else { return };
    block_on(assert_parity(&gpu, DType::Int8));
}
