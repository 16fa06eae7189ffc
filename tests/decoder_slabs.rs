//! Decoders of pictures that no binding of the device shows whole: in slabs, with the statistics of group norms taken over all of
//! them, the picture is that of a device with more room.

#![cfg(feature = "native")]

mod gpu_support;

use gpu_support::{Case, gpu_with, relative_error};
use tenstep::Result;
use tenstep::executor::Arithmetic;
use tenstep::gpu::GpuOptions;
use tenstep::model::{AutoencoderConfig, AutoencoderRequest, decoder};
use tenstep::weights::{DType, Manifest};

/// Of the norm.
const MOST_DIFFERENCE: f64 = 1e-4;
/// What a binding shows. The largest values of the decoders below take several times as much.
const LIMITS: GpuOptions = GpuOptions {
    max_binding_bytes: Some(600 << 10),
    max_buffer_bytes: None,
    many_threads: Some(true),
    arithmetic: Arithmetic::F32,
    subgroups: false,
};
/// In latents; neither is a multiple of a tile.
const REQUEST: AutoencoderRequest = AutoencoderRequest { batch: 1, height: 18, width: 13 };

#[test]
fn the_default_models_decoder() -> Result<()> {
    let path = format!("{}/www/models/default/manifest.json", env!("CARGO_MANIFEST_DIR"));
    let manifest = Manifest::parse(&std::fs::read_to_string(path).expect("the default model"))?;
    let component = manifest.component("vae_decoder").expect("a decoder");
    same_in_slabs(&AutoencoderConfig::from_json(&component.config)?)
}

#[test]
fn an_autoencoder_kl_with_group_norms_and_attention() -> Result<()> {
    let path = format!("{}/tests/goldens/models/sd15/vae.json", env!("CARGO_MANIFEST_DIR"));
    let json = std::fs::read_to_string(path).expect("a config");
    same_in_slabs(&AutoencoderConfig::from_json(&serde_json::from_str(&json).expect("JSON"))?)
}

fn same_in_slabs(config: &AutoencoderConfig) -> Result<()> {
    let (Some(narrow), Some(roomy)) = (gpu_with(LIMITS), gpu_with(GpuOptions::default())) else {
        return Ok(());
    };
    let graph = decoder(config, &REQUEST)?;
    let largest = graph.values().map(|(_, node)| 4 * node.shape.iter().product::<usize>() as u64).max();
    assert!(largest > LIMITS.max_binding_bytes, "{largest:?} bytes fit a binding");
    let case = Case::random(graph, DType::Int8, 7);
    let (in_slabs, whole) = (case.run(&narrow)?, case.run(&roomy)?);
    for (name, values) in whole {
        let expected: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
        let error = relative_error(&in_slabs[&name], &expected);
        println!("{name}: {} values, relative error {error:.1e}", values.len());
        assert!(error <= MOST_DIFFERENCE, "{name}: relative error {error:e}");
    }
    Ok(())
}
