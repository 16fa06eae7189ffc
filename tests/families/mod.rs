//! The networks of the parity goldens: graphs, inputs from the formula, and what PyTorch made of them.
//!
//! Goldens: tests/goldens/models, made by training/goldens/models.py. The sizes here are that script's.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tenstep::executor::Executor;
use tenstep::graph::{Array, Graph};
use tenstep::model::{
    AutoencoderConfig, AutoencoderRequest, ClassEmbedding, SecondTextBranch, TextEncoderConfig,
    TextEncoderRequest, UNetConfig, UNetRequest, decoder, encoder, text_encoder, unet,
};
use tenstep::weights::{DType, TensorInfo};

use crate::formula::{id_input, normal_input, parameters};

/// Of the samples of one batch.
const TIMESTEPS: [f32; 3] = [999.0, 500.25, 3.0];
/// The same among others and in another order, and where each of them is.
const KNOWN_TIMESTEPS: [f32; 10] = [3.0, 20.0, 999.0, 700.0, 600.0, 400.0, 300.0, 200.0, 100.0, 500.25];
const STEPS: [f32; 3] = [2.0, 9.0, 0.0];

/// A graph, its inputs by name, and the golden of each of its outputs.
pub struct Case {
    pub name: String,
    pub graph: Graph,
    pub inputs: Vec<(String, Vec<f32>)>,
    /// Output of the graph, and the file that holds it.
    pub outputs: Vec<(&'static str, Golden)>,
}

/// An array as PyTorch left it, channels last.
pub struct Golden {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Golden {
    /// `‖actual − golden‖ / ‖golden‖`
    pub fn relative_error(&self, actual: &[f64]) -> f64 {
        assert_eq!(actual.len(), self.values.len(), "sizes differ");
        let pairs = || actual.iter().zip(self.values.iter().map(|&value| f64::from(value)));
        let difference: f64 = pairs().map(|(a, b)| (a - b).powi(2)).sum();
        let size: f64 = pairs().map(|(_, b)| b * b).sum();
        (difference / size).sqrt()
    }
}

impl Case {
    /// Parameters and inputs, as the interpreter takes them.
    pub fn arrays(&self) -> HashMap<String, Array> {
        let shapes: HashMap<&str, &[usize]> = self
            .graph
            .inputs()
            .chain(self.graph.parameters())
            .map(|(name, value)| (name, self.graph.shape(value)))
            .collect();
        let values = parameters(&self.graph).into_iter().chain(self.inputs.iter().cloned());
        values
            .map(|(name, values)| {
                let data = values.into_iter().map(f64::from).collect();
                let array = Array::new(shapes[name.as_str()], data);
                (name, array)
            })
            .collect()
    }
}

/// The formula's parameters of `graph` on an executor, in f32.
pub fn weights<E: Executor>(executor: &E, graph: &Graph) -> E::Weights {
    let tensors: Vec<TensorInfo> = graph
        .parameters()
        .map(|(name, value)| TensorInfo {
            name: name.to_owned(),
            shape: graph.shape(value).to_vec(),
            dtype: DType::F32,
        })
        .collect();
    let mut weights = executor.weights(&tensors).expect("room for weights");
    let values: HashMap<String, Vec<f32>> = parameters(graph).into_iter().collect();
    for (index, tensor) in tensors.iter().enumerate() {
        let stored: Vec<u8> = values[&tensor.name].iter().flat_map(|value| value.to_le_bytes()).collect();
        executor.push(&mut weights, index, 0, &stored).expect("a push");
    }
    weights
}

/// All cases of one family: the networks that it has.
pub fn cases(family: &'static str) -> Vec<Case> {
    let folder = Family { name: family };
    let unet_sizes = match family {
        "default" => [16, 12, 16],
        "sd15" => [7, 9, 20],
        "sd2x" => [8, 16, 16],
        "options_a" => [8, 12, 9],
        "options_b" => [7, 5, 6],
        _ => [6, 4, 0],
    };
    let vae_sizes = match family {
        "default" => Some([1, 8, 6]),
        "sd15" => Some([2, 3, 4]),
        "sd2x" => Some([1, 5, 6]),
        "options_a" => Some([1, 4, 6]),
        "options_b" => Some([1, 2, 3]),
        _ => None,
    };
    let text_sizes = match family {
        "default" => Some([3, 16]),
        "sd15" => Some([2, 20]),
        "sd2x" => Some([2, 16]),
        "options_a" => Some([2, 9]),
        _ => None,
    };
    let mut cases = vec![folder.unet(unet_sizes, &[]), folder.unet(unet_sizes, &KNOWN_TIMESTEPS)];
    if let Some(sizes) = vae_sizes {
        cases.extend(folder.autoencoder(sizes));
    }
    if let Some(sizes) = text_sizes {
        cases.extend([folder.text_encoder(sizes, 0), folder.text_encoder(sizes, 1)]);
    }
    cases.into_iter().flatten().collect()
}

pub struct Family {
    pub name: &'static str,
}

impl Family {
    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models").join(self.name)
    }

    fn json(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.folder().join(file)).expect(file);
        serde_json::from_str(&text).expect(file)
    }

    pub fn golden(&self, name: &str) -> Golden {
        let shapes = self.json("recipe.json");
        let shape = shapes["shapes"][name].as_array().expect(name);
        let shape = shape.iter().map(|extent| extent.as_u64().expect("an extent") as usize).collect();
        let bytes = std::fs::read(self.folder().join(format!("{name}.f32"))).expect(name);
        let values = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Golden { shape, values }
    }

    /// The formula's numbers for each input of `graph` but those in `given`, under the family's name for them.
    fn inputs(&self, graph: &Graph, given: Vec<(&str, Vec<f32>)>) -> Vec<(String, Vec<f32>)> {
        let given: HashMap<&str, Vec<f32>> = given.into_iter().collect();
        let values = graph.inputs().map(|(name, value)| {
            let count = graph.shape(value).iter().product();
            let values = given.get(name).cloned();
            (name.to_owned(), values.unwrap_or_else(|| normal_input(&format!("{}.{name}", self.name), count)))
        });
        values.collect()
    }

    /// With `known_timesteps` as a run has it: those and the text last.
    fn unet(
        &self,
        [height, width, text_length]: [usize; 3],
        known_timesteps: &'static [f32],
    ) -> Option<Case> {
        let for_a_run = !known_timesteps.is_empty();
        let config = UNetConfig::from_json(&self.json("unet.json")).expect("a config");
        let everything = self.name == "options_b";
        let features: &[&'static str] =
            if everything { &["down_blocks.0", "mid_block", "up_blocks.0"] } else { &[] };
        let request = UNetRequest {
            batch: TIMESTEPS.len(),
            height,
            width,
            text_length,
            lasting_text: for_a_run,
            known_timesteps: known_timesteps.len(),
            timestep_cond: config.time_cond_proj_dim.is_some(),
            additional_residuals: everything,
            second_text_branch: everything.then_some(SecondTextBranch { length: 4, width: 10 }),
            features: features.iter().map(|&name| name.to_owned()).collect(),
        };
        let graph = unet(&config, &request).expect("a graph");
        let mut given = vec![
            ("timestep", TIMESTEPS.to_vec()),
            ("timesteps", known_timesteps.to_vec()),
            ("step", STEPS.to_vec()),
            ("encoder_hidden_states_2_scale", vec![0.75; TIMESTEPS.len()]),
        ];
        match config.class_embedding {
            Some(ClassEmbedding::Table { classes }) => {
                let labels = id_input(&format!("{}.class_labels", self.name), TIMESTEPS.len(), classes);
                given.push(("class_labels", labels));
            }
            Some(ClassEmbedding::Timestep) => {
                given.push(("class_labels", TIMESTEPS.iter().rev().copied().collect()));
            }
            _ => {}
        }
        let inputs = self.inputs(&graph, given);
        let outputs = ["model_output"].iter().chain(features);
        let outputs = outputs.map(|&output| (output, self.golden(&format!("unet.{output}")))).collect();
        let name = format!("{} unet{}", self.name, if for_a_run { " for a run" } else { "" });
        Some(Case { name, graph, inputs, outputs })
    }

    pub fn autoencoder_config(&self) -> AutoencoderConfig {
        AutoencoderConfig::from_json(&self.json("vae.json")).expect("a config")
    }

    fn autoencoder(&self, [batch, height, width]: [usize; 3]) -> Vec<Option<Case>> {
        let config = self.autoencoder_config();
        let request = AutoencoderRequest { batch, height, width };
        let decode = decoder(&config, &request).expect("a graph");
        let encode = encoder(&config, &request).expect("a graph");
        let mut encoded = vec![("latents", self.golden("vae.encoded"))];
        if matches!(config, AutoencoderConfig::Kl(_)) {
            encoded.push(("logvar", self.golden("vae.logvar")));
        }
        let [_, picture_height, picture_width, _] = encode.shape(encode.inputs().next().expect("sample").1)
        else {
            panic!("a picture has four axes")
        };
        let pixels = batch * picture_height * picture_width * config.in_channels();
        let picture = normal_input(&format!("{}.picture", self.name), pixels);
        vec![
            Some(Case {
                name: format!("{} decoder", self.name),
                inputs: self.inputs(&decode, Vec::new()),
                graph: decode,
                outputs: vec![("sample", self.golden("vae.decoded"))],
            }),
            Some(Case {
                name: format!("{} encoder", self.name),
                inputs: vec![("sample".to_owned(), picture)],
                graph: encode,
                outputs: encoded,
            }),
        ]
    }

    fn text_encoder(&self, [batch, length]: [usize; 2], clip_skip: usize) -> Option<Case> {
        let config = TextEncoderConfig::from_json(&self.json("text_encoder.json")).expect("a config");
        if clip_skip >= config.num_hidden_layers {
            return None;
        }
        let request = TextEncoderRequest { batch, length, clip_skip, hidden_states: vec![1] };
        let graph = text_encoder(&config, &request).expect("a graph");
        let ids = id_input(&format!("{}.input_ids", self.name), batch * length, config.vocab_size);
        let last = if clip_skip == 0 { "last_hidden_state" } else { "clip_skip_1" };
        Some(Case {
            name: format!("{} text encoder, clip_skip {clip_skip}", self.name),
            graph,
            inputs: vec![("input_ids".to_owned(), ids)],
            outputs: vec![
                ("last_hidden_state", self.golden(&format!("text_encoder.{last}"))),
                ("hidden_states.1", self.golden("text_encoder.hidden_states.1")),
            ],
        })
    }
}
