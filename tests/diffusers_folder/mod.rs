//! A converted folder's tests share this: a small diffusers folder with random weights.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};
use tenstep::graph::Graph;
use tenstep::model::{self, AutoencoderConfig, AutoencoderRequest, TextEncoderConfig, TextEncoderRequest};
use tenstep::model::{UNetConfig, UNetRequest};
use tenstep::random;

/// A folder that is removed when the test ends.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Of its own: tests of one program run at once, and may choose the same name.
    pub fn new(name: &str) -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let (process, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(format!("tenstep-{name}-{process}-{number}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("a file in the folder")).expect("a folder");
        fs::write(path, content).expect("a file");
    }

    pub fn join(&self, file: &str) -> PathBuf {
        self.0.join(file)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

pub fn unet_config() -> Value {
    json!({
        "_class_name": "UNet2DConditionModel", "sample_size": 8, "in_channels": 4, "out_channels": 4,
        "block_out_channels": [32, 64], "layers_per_block": 1, "cross_attention_dim": 24,
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "attention_head_dim": 4, "norm_num_groups": 8,
    })
}

pub fn text_config() -> Value {
    json!({
        "architectures": ["CLIPTextModel"], "model_type": "clip_text_model", "vocab_size": 9,
        "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 2,
        "max_position_embeddings": 5, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
    })
}

pub fn vae_config() -> Value {
    json!({
        "_class_name": "AutoencoderTiny", "in_channels": 3, "out_channels": 3,
        "encoder_block_out_channels": [16, 16], "decoder_block_out_channels": [16, 16],
        "num_encoder_blocks": [0, 1], "num_decoder_blocks": [1, 0], "latent_channels": 4,
        "upsampling_scaling_factor": 2, "upsample_fn": "nearest", "act_fn": "relu", "scaling_factor": 1.0,
        "shift_factor": 0.0, "latent_magnitude": 3, "latent_shift": 0.5, "block_out_channels": [16, 16],
        "force_upcast": false,
    })
}

/// The same for pixels.
pub fn pixel_unet_config() -> Value {
    let mut config = unet_config();
    (config["in_channels"], config["out_channels"]) = (json!(3), json!(3));
    config
}

/// Random values for the parameters of graphs.
fn tensors(graphs: &[Graph], seed: u64) -> Tensors {
    let mut tensors = Tensors::new();
    for (name, value, shape) in graphs
        .iter()
        .flat_map(|graph| graph.parameters().map(|(name, value)| (name, value, graph.shape(value).to_vec())))
    {
        let of = random::Of::Step(value.index() as u32);
        let noise = random::Noise { seed, sample: tensors.len() as u32, of };
        let values = random::normals(noise, [1, shape.iter().product(), 1]);
        tensors.insert(name.to_owned(), (shape, values));
    }
    tensors
}

fn unet_graph(config: &Value) -> Graph {
    let request = UNetRequest { batch: 1, height: 8, width: 8, text_length: 5, ..UNetRequest::default() };
    let config = UNetConfig::from_json(config).expect("a config");
    model::unet(&config, &request).expect("a graph")
}

pub fn part_tensors(part: &str) -> Tensors {
    let vae_request = AutoencoderRequest { batch: 1, height: 8, width: 8 };
    let text_request = TextEncoderRequest { batch: 1, length: 5, ..TextEncoderRequest::default() };
    let graphs = match part {
        "unet" => vec![unet_graph(&unet_config())],
        "vae" => {
            let config = AutoencoderConfig::from_json(&vae_config()).expect("a config");
            let decoder = model::decoder(&config, &vae_request).expect("a graph");
            vec![decoder, model::encoder(&config, &vae_request).expect("a graph")]
        }
        _ => {
            let config = TextEncoderConfig::from_json(&text_config()).expect("a config");
            vec![model::text_encoder(&config, &text_request).expect("a graph")]
        }
    };
    tensors(&graphs, part.len() as u64)
}

pub fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| {
            (name.clone(), shape.clone(), values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
    });
    serialize(views, None).expect("safetensors")
}

pub fn weights_file(part: &str) -> &'static str {
    match part {
        "text_encoder" => "text_encoder/model.safetensors",
        "unet" => "unet/diffusion_pytorch_model.safetensors",
        _ => "vae/diffusion_pytorch_model.safetensors",
    }
}

/// A whole diffusers folder with random weights.
pub fn source(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.write("model_index.json", r#"{"_class_name": "StableDiffusionPipeline"}"#);
    folder.write("unet/config.json", unet_config().to_string());
    folder.write("text_encoder/config.json", text_config().to_string());
    folder.write("vae/config.json", vae_config().to_string());
    // diffusers writes Python's constants.
    folder.write(
        "scheduler/scheduler_config.json",
        r#"{"_class_name": "DPMSolverMultistepScheduler", "prediction_type": "v_prediction",
            "lambda_min_clipped": -Infinity}"#,
    );
    folder.write(
        "tokenizer/tokenizer_config.json",
        r#"{"tokenizer_class": "TenstepWordTokenizer", "model_max_length": 5, "pad_token_id": 0,
            "bos_token_id": 1, "eos_token_id": 2, "unk_token_id": 3, "first_word_id": 4, "vocab_size": 9}"#,
    );
    folder.write(
        "tokenizer/words.json",
        r#"{"words": ["apple", "fox", "noto", "red", "\"-Infinity\""], "ignored": ["a"], "emoji": {}}"#,
    );
    for part in ["text_encoder", "unet", "vae"] {
        folder.write(weights_file(part), safetensors(&part_tensors(part)));
    }
    folder
}

/// A model of pixels: its network has three channels, there is no autoencoder, and its scheduler keeps estimates in range.
pub fn pixel_source(name: &str) -> Folder {
    let folder = source(name);
    fs::remove_dir_all(folder.join("vae")).expect("the part was there");
    folder.write("model_index.json", r#"{"_class_name": "StableDiffusionPipeline", "vae": [null, null]}"#);
    folder.write("unet/config.json", pixel_unet_config().to_string());
    folder.write(weights_file("unet"), safetensors(&tensors(&[unet_graph(&pixel_unet_config())], 4)));
    folder.write(
        "scheduler/scheduler_config.json",
        r#"{"prediction_type": "v_prediction", "thresholding": true, "sample_max_value": 1.5}"#,
    );
    folder
}
