//! What the tests of whole networks share: goldens, errors as one number, and networks run by name.

#![allow(dead_code, reason = "each test binary uses its part")]

#[path = "../gpu_support/lacking.rs"]
mod lacking;
pub mod limited;
pub mod runs;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tenstep::executor::{Arithmetic, Command, Executor};
use tenstep::gpu::{Gpu, GpuOptions};
use tenstep::graph::{Array, Graph, interpret};
use tenstep::model::AutoencoderConfig;
use tenstep::weights::{Component, DType, Manifest, ShardSet, TensorInfo, dequantise, quantise};

/// `‖actual − expected‖ / ‖expected‖`.
pub fn relative_error(actual: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(actual.len(), expected.len(), "sizes differ");
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let difference = norm(&mut actual.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let size = norm(&mut expected.iter().map(|value| f64::from(*value)));
    assert!(size > 0.0, "the expected values are all zero");
    difference / size
}

/// The GPU executor, which runs what a GPU would run, whatever the adapter is; the browsers' tests run what a software adapter runs.
/// Without an adapter the calling test fails, unless `TENSTEP_SKIP_GPU=1` says that this
/// machine has none.
pub async fn gpu() -> Option<Gpu> {
    gpu_with(Arithmetic::F32).await
}

/// The same with products in `arithmetic`, where the adapter has it.
pub async fn gpu_in(arithmetic: Arithmetic) -> Option<Gpu> {
    let gpu = gpu_with(arithmetic).await?;
    if gpu.report().arithmetic == arithmetic {
        return Some(gpu);
    }
    lacking::leave_out(&gpu, &format!("products in {arithmetic:?}"));
    None
}

async fn gpu_with(arithmetic: Arithmetic) -> Option<Gpu> {
    let options = GpuOptions { many_threads: Some(true), arithmetic, ..GpuOptions::default() };
    match Gpu::new(options).await {
        Ok(gpu) => Some(gpu),
        Err(error) if std::env::var("TENSTEP_SKIP_GPU").is_ok_and(|value| value == "1") => {
            println!("skipped, as TENSTEP_SKIP_GPU=1 asks: {error}");
            None
        }
        Err(error) => panic!("{error}; install a Vulkan driver (mesa-vulkan-drivers has one for the CPU)"),
    }
}

/// A folder of raw f32 arrays with a recipe.json that gives their shapes.
pub struct Goldens {
    folder: PathBuf,
    pub recipe: serde_json::Value,
}

impl Goldens {
    pub fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens").join(name);
        let recipe = std::fs::read_to_string(folder.join("recipe.json")).expect("recipe.json is there");
        Self { folder, recipe: serde_json::from_str(&recipe).expect("recipe.json is JSON") }
    }

    pub fn array(&self, name: &str) -> Vec<f32> {
        let bytes = std::fs::read(self.folder.join(format!("{name}.f32"))).expect(name);
        let values: Vec<f32> =
            bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        assert_eq!(values.len(), self.shape(name).iter().product::<usize>(), "{name} fills its shape");
        values
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        let shape = self.recipe["shapes"][name].as_array().expect(name);
        shape.iter().map(|extent| extent.as_u64().expect("an extent") as usize).collect()
    }
}

/// A converted model on disk.
pub struct Checkpoint {
    pub path: PathBuf,
    pub manifest: Manifest,
}

impl Checkpoint {
    pub fn default_model() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("www/models/default/manifest.json");
        let manifest = std::fs::read_to_string(&path).expect("the default model is there");
        Self { path, manifest: Manifest::parse(&manifest).expect("its manifest is valid") }
    }

    pub fn component(&self, name: &str) -> &Component {
        self.manifest.component(name).expect(name)
    }

    pub fn autoencoder(&self) -> AutoencoderConfig {
        AutoencoderConfig::from_json(&self.component("vae_decoder").config).expect("an autoencoder")
    }

    /// The stored forms of a component's tensors, in order.
    fn stored(&self, name: &str) -> Vec<Vec<u8>> {
        let index = self.manifest.components.iter().position(|component| component.name == name).expect(name);
        let tensors = &self.manifest.components[index].tensors;
        let mut stored: Vec<Vec<u8>> =
            tensors.iter().map(|tensor| vec![0; tensor.stored_bytes().expect("checked") as usize]).collect();
        let mut shards = ShardSet::new(&self.manifest);
        let wanted: Vec<(usize, String)> = shards
            .iter(&self.manifest)
            .filter(|(_, component, _)| component.name == name)
            .map(|(number, _, shard)| (number, shard.file.clone()))
            .collect();
        for (number, file) in wanted {
            let bytes = std::fs::read(self.path.with_file_name(file)).expect("a shard");
            for piece in shards.accept(&self.manifest, number, &bytes).expect("a good shard") {
                let start = piece.offset as usize;
                stored[piece.tensor][start..start + piece.bytes.len()].copy_from_slice(piece.bytes);
            }
        }
        stored
    }

    /// A component's parameters on an executor.
    pub fn weights<E: Executor>(&self, executor: &E, name: &str) -> E::Weights {
        let mut weights = executor.weights(&self.component(name).tensors).expect("room for weights");
        for (tensor, bytes) in self.stored(name).iter().enumerate() {
            executor.push(&mut weights, tensor, 0, bytes).expect("a push");
        }
        weights
    }

    /// A component's parameters, each stored anew as `dtype` says of its `component/tensor`, its shape and its values.
    pub fn restored(
        &self,
        name: &str,
        dtype: impl Fn(&str, &[usize], &[f32]) -> DType,
    ) -> Vec<(TensorInfo, Vec<u8>)> {
        let tensors = self.component(name).tensors.iter().zip(self.stored(name));
        tensors
            .map(|(info, stored)| {
                let values = dequantise(info, &stored);
                let dtype = dtype(&format!("{name}/{}", info.name), &info.shape, &values);
                quantise(&info.name, &info.shape, &values, dtype)
            })
            .collect()
    }

    /// A component's parameters for the interpreter.
    pub fn arrays(&self, name: &str) -> HashMap<String, Array> {
        let tensors = &self.component(name).tensors;
        let stored = self.stored(name);
        tensors
            .iter()
            .zip(&stored)
            .map(|(info, bytes)| {
                let values = dequantise(info, bytes).into_iter().map(f64::from).collect();
                (info.name.clone(), Array::new(&info.shape, values))
            })
            .collect()
    }
}

/// Parameters on an executor, from their stored forms.
pub fn weights_of<E: Executor>(executor: &E, stored: &[(TensorInfo, Vec<u8>)]) -> E::Weights {
    let tensors: Vec<TensorInfo> = stored.iter().map(|(info, _)| info.clone()).collect();
    let mut weights = executor.weights(&tensors).expect("room for weights");
    for (index, (_, bytes)) in stored.iter().enumerate() {
        executor.push(&mut weights, index, 0, bytes).expect("a push");
    }
    weights
}

/// Evaluates `graph` once on an executor; returns the output of that name.
pub async fn evaluate<E: Executor>(
    executor: &Rc<E>,
    graph: &Graph,
    weights: &E::Weights,
    inputs: &[(&str, &[f32])],
    output: &str,
) -> Vec<f32> {
    let plan = executor.plan(graph, weights).await.expect("a plan");
    for (name, values) in inputs {
        executor.write(executor.input(&plan, name).expect(name), values).expect("a write");
    }
    executor.submit(&[Command::Evaluate(&plan)]).expect("a submission");
    executor.read(executor.output(&plan, output).expect(output)).await.expect("a read")
}

/// Evaluates `graph` once in f64.
pub fn evaluate_in_f64(
    graph: &Graph,
    weights: &HashMap<String, Array>,
    inputs: &[(&str, &[f32])],
    output: &str,
) -> Vec<f32> {
    let mut values = weights.clone();
    for (name, input) in inputs {
        let (_, value) = graph.inputs().find(|(declared, _)| declared == name).expect(name);
        let data = input.iter().copied().map(f64::from).collect();
        values.insert((*name).to_owned(), Array::new(graph.shape(value), data));
    }
    let outputs = interpret(graph, &values).expect("the graph is complete");
    outputs[output].data.iter().map(|value| *value as f32).collect()
}
