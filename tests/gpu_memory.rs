//! What Stable Diffusion 1.5's UNet at its full width takes of a GPU at 64 x 64 latents, both halves of guidance at once, weights
//! stored in 16 bits: planned and never run, so a driver for the CPU will do.
//!
//! It asks the device for two gigabytes, so it is run by hand:
//! `cargo test --release --test gpu_memory -- --ignored --nocapture`.

#![cfg(feature = "native")]

use pollster::block_on;
use tenstep::executor::{Arithmetic, Executor};
use tenstep::gpu::{Gpu, GpuOptions};
use tenstep::model::{UNetConfig, UNetRequest, unet};
use tenstep::weights::{DType, TensorInfo};

const CONFIG: &str = "tests/goldens/models/sd15_full_width/unet.json";
/// Beside the weights as they are stored.
const MOST_BESIDE_WEIGHTS: u64 = 350_000_000;
/// What every WebGPU device offers for a binding, and for a buffer.
const LIMITS: GpuOptions = GpuOptions {
    max_binding_bytes: Some(128 << 20),
    max_buffer_bytes: Some(256 << 20),
    many_threads: Some(true),
    arithmetic: Arithmetic::F32,
    subgroups: false,
};

#[test]
#[ignore = "takes two gigabytes; run by hand"]
fn a_full_width_unet_takes_its_weights_and_little_more() {
    let path = format!("{}/{CONFIG}", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read_to_string(path).expect("unet.json");
    let config = UNetConfig::from_json(&serde_json::from_str(&json).expect("JSON")).expect("a config");
    let request = UNetRequest { batch: 2, height: 64, width: 64, text_length: 77, ..UNetRequest::default() };
    let graph = unet(&config, &request).expect("a graph");
    let tensors: Vec<TensorInfo> = graph
        .parameters()
        .map(|(name, value)| {
            let shape = graph.shape(value).to_vec();
            let dtype = if shape.len() > 1 { DType::F16 } else { DType::F32 };
            TensorInfo { name: name.to_owned(), shape, dtype }
        })
        .collect();
    let bytes = |info: &TensorInfo| {
        info.shape.iter().product::<usize>() * if info.dtype == DType::F16 { 2 } else { 4 }
    };
    let stored = tensors.iter().map(|info| bytes(info) as u64).sum::<u64>();

    let gpu = block_on(Gpu::new(LIMITS)).expect("a Vulkan driver");
    println!("on {}", gpu.info().name);
    let mut weights = gpu.weights(&tensors).expect("room for weights");
    for (index, info) in tensors.iter().enumerate() {
        gpu.push(&mut weights, index, 0, &vec![0; bytes(info)]).expect("a push");
    }
    let plan = block_on(gpu.plan(&graph, &weights)).expect("a plan");
    let account = plan.account();
    let most = gpu.memory().most_bytes;
    println!(
        "{} MB of weights as stored, {} MB as kernels read them, {} MB of arena ({} MB live at once, {} MB of all values); \
         at most {} MB were held at once",
        stored / 1_000_000,
        account.weight_bytes / 1_000_000,
        account.arena_bytes / 1_000_000,
        account.live_bytes / 1_000_000,
        account.value_bytes / 1_000_000,
        most / 1_000_000,
    );
    assert!(account.largest_binding_bytes <= 128 << 20);
    assert!(most <= stored + MOST_BESIDE_WEIGHTS, "{} bytes beside the weights", most - stored);
}
