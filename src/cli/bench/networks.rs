//! The networks to be timed, their parameters and their inputs.

use std::path::{Path, PathBuf};

use super::report::Input;
use super::{Arguments, Which};
use crate::cli::{read_manifest, read_text};
use crate::error::{Error, Result};
use crate::executor::Executor;
use crate::graph::{Graph, Op, Value};
use crate::model::{UNetConfig, UNetRequest, unet};
use crate::pipeline::networks::Networks;
use crate::random::philox4x32;
use crate::weights::{DType, Manifest, ShardSet, TensorInfo};

/// A network to be timed.
pub struct Network {
    pub name: &'static str,
    pub graph: Graph,
    parameters: Parameters,
}

/// Where a network's parameters come from.
enum Parameters {
    /// A component of a converted model.
    Shards { manifest: Box<Manifest>, folder: PathBuf, component: &'static str },
    /// Numbers that keep sums near 1, matrices in this storage type.
    MadeUp { dtype: DType, seed: u64 },
}

/// A timestep in the middle.
const TIMESTEP: f32 = 500.25;

/// What was asked for.
///
/// Errors: a file cannot be read, a config is not supported, the size does not suit the model.
pub fn networks(arguments: &Arguments) -> Result<Vec<Network>> {
    match &arguments.config {
        Some(config) => Ok(vec![from_config(arguments, config)?]),
        None => of_model(arguments),
    }
}

fn from_config(arguments: &Arguments, path: &Path) -> Result<Network> {
    let invalid = |error: serde_json::Error| Error::InvalidConfig {
        component: "unet".to_owned(),
        message: error.to_string(),
    };
    let config = UNetConfig::from_json(&serde_json::from_str(&read_text(path)?).map_err(invalid)?)?;
    let request = UNetRequest {
        batch: arguments.batch,
        height: arguments.latents,
        width: arguments.latents,
        text_length: arguments.tokens,
        ..UNetRequest::default()
    };
    let parameters = Parameters::MadeUp { dtype: arguments.dtype.into(), seed: arguments.seed };
    Ok(Network { name: "unet", graph: unet(&config, &request)?, parameters })
}

fn of_model(arguments: &Arguments) -> Result<Vec<Network>> {
    let manifest = read_manifest(&arguments.model)?;
    let networks = Networks::new(&manifest)?;
    networks.check_tensors(&manifest)?;
    let (multiple, defaults) = (networks.size_multiple(), &manifest.defaults);
    let (width, height) = arguments.size.map_or((defaults.width, defaults.height), |side| (side, side));
    if width == 0 || !width.is_multiple_of(multiple) || width > 8192 {
        return Err(Error::InvalidOption {
            option: "size",
            accepted: format!("a multiple of {multiple} up to 8192"),
            value: width.to_string(),
        });
    }
    let size = networks.size(if arguments.unguided { 1 } else { 2 }, width, height);
    let folder = arguments.model.parent().unwrap_or(Path::new("")).to_owned();
    let network = |component: &'static str, graph: Graph| {
        let (manifest, folder) = (Box::new(manifest.clone()), folder.clone());
        let name = component.trim_start_matches("vae_");
        Network { name, graph, parameters: Parameters::Shards { manifest, folder, component } }
    };
    let wanted = |which: Which| arguments.network == Which::All || arguments.network == which;
    let mut all = Vec::new();
    if wanted(Which::TextEncoder) {
        all.push(network("text_encoder", networks.text_encoder(size)?));
    }
    if wanted(Which::Unet) {
        all.push(network("unet", networks.unet(size)?));
    }
    if wanted(Which::Decoder) {
        all.push(network("vae_decoder", networks.decoder(size)?));
    }
    Ok(all)
}

impl Network {
    /// Its inputs' names and shapes.
    pub fn inputs(&self) -> Vec<Input> {
        let input = |(name, value): (&str, Value)| Input {
            name: name.to_owned(),
            shape: self.graph.shape(value).to_vec(),
        };
        self.graph.inputs().map(input).collect()
    }

    /// Its parameters on a device.
    pub fn weights<E: Executor>(&self, executor: &E) -> Result<E::Weights> {
        match &self.parameters {
            Parameters::Shards { manifest, folder, component } => {
                from_shards(executor, manifest, folder, component)
            }
            Parameters::MadeUp { dtype, seed } => made_up(executor, &self.graph, *dtype, *seed),
        }
    }

    /// Writes inputs as they come in a run.
    pub fn write_inputs<E: Executor>(&self, executor: &E, plan: &E::Plan) -> Result<()> {
        for (name, value) in self.graph.inputs() {
            let count = self.graph.shape(value).iter().product();
            let values: Vec<f32> = match name {
                "timestep" => vec![TIMESTEP; count],
                "input_ids" => (0..count).map(|index| (1 + index % 64) as f32).collect(),
                _ => uniforms(0, u32::MAX, count).map(|u| 3f32.sqrt() * u).collect(),
            };
            let tensor = executor.input(plan, name).expect("a plan has the inputs of its graph");
            executor.write(tensor, &values)?;
        }
        Ok(())
    }

    /// Whether a node does something.
    pub fn is_work(op: &Op) -> bool {
        !matches!(op, Op::Input { .. } | Op::Parameter { .. } | Op::Reshape)
    }
}

fn from_shards<E: Executor>(
    executor: &E,
    manifest: &Manifest,
    folder: &Path,
    name: &str,
) -> Result<E::Weights> {
    let missing = || Error::InvalidManifest { message: format!("component {name} is missing") };
    let component = manifest.component(name).ok_or_else(missing)?;
    let mut weights = executor.weights(&component.tensors)?;
    let mut shards = ShardSet::new(manifest);
    let wanted: Vec<(usize, PathBuf)> = shards
        .iter(manifest)
        .filter(|(_, owner, _)| owner.name == name)
        .map(|(number, _, shard)| (number, folder.join(&shard.file)))
        .collect();
    for (number, path) in wanted {
        let unreadable = |error: std::io::Error| Error::Io {
            path: path.display().to_string(),
            message: error.to_string(),
        };
        let bytes = std::fs::read(&path).map_err(unreadable)?;
        for piece in shards.accept(manifest, number, &bytes)? {
            executor.push(&mut weights, piece.tensor, piece.offset, piece.bytes)?;
        }
    }
    Ok(weights)
}

fn made_up<E: Executor>(executor: &E, graph: &Graph, dtype: DType, seed: u64) -> Result<E::Weights> {
    let tensors: Vec<TensorInfo> = graph
        .parameters()
        .map(|(name, value)| {
            let shape = graph.shape(value).to_vec();
            let dtype = if shape.len() > 1 { dtype } else { DType::F32 };
            TensorInfo { name: name.to_owned(), shape, dtype }
        })
        .collect();
    let mut weights = executor.weights(&tensors)?;
    for (index, info) in tensors.iter().enumerate() {
        executor.push(&mut weights, index, 0, &stored(info, seed, index as u32))?;
    }
    Ok(weights)
}

/// A tensor's stored form: uniform numbers whose deviation is that of a layer that keeps its input's, and near 1 for the
/// scales of norms.
fn stored(info: &TensorInfo, seed: u64, tensor: u32) -> Vec<u8> {
    let count = info.elements().unwrap_or(0);
    let inputs: usize = info.shape.iter().skip(1).product();
    let deviation = (3.0 / inputs as f32).sqrt();
    let uniform = uniforms(seed, tensor, count);
    let mut bytes: Vec<u8> = match info.dtype {
        DType::F32 if info.shape.len() == 1 && info.name.ends_with(".weight") => {
            uniform.flat_map(|u| (1.0 + 0.25 * u).to_le_bytes()).collect()
        }
        DType::F32 if info.shape.len() == 1 => uniform.flat_map(|u| (0.25 * u).to_le_bytes()).collect(),
        DType::F32 => uniform.flat_map(|u| (deviation * u).to_le_bytes()).collect(),
        DType::F16 => uniform.flat_map(|u| half::f16::from_f32(deviation * u).to_le_bytes()).collect(),
        DType::Int8 => {
            let scales = std::iter::repeat_n((deviation / 127.0).to_le_bytes(), info.rows()).flatten();
            scales.chain(uniform.map(|u| (127.0 * u).round() as i8 as u8)).collect()
        }
        DType::Int4 => {
            let scale = half::f16::from_f32(deviation / 7.0).to_le_bytes();
            let mut scales = scale.repeat(info.rows() * info.groups());
            scales.resize(scales.len().next_multiple_of(4), 0);
            let nibbles: Vec<u8> = uniform.map(|u| (7.0 * u).round() as i8 as u8 & 15).collect();
            let bytes = nibbles.chunks(2).map(|pair| pair[0] | pair.get(1).map_or(0, |high| high << 4));
            scales.into_iter().chain(bytes).collect()
        }
    };
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// `count` numbers in `[-1, 1]`.
fn uniforms(seed: u64, stream: u32, count: usize) -> impl Iterator<Item = f32> {
    let key = [seed as u32, (seed >> 32) as u32];
    (0..count.div_ceil(4))
        .flat_map(move |block| philox4x32([block as u32, 0, stream, 3], key))
        .map(|word| word as i32 as f32 / 2f32.powi(31))
        .take(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::dequantise;

    #[test]
    fn made_up_numbers_keep_their_deviation_in_every_storage_type() {
        let shape = vec![64, 48, 3, 3];
        let mut exact = Vec::new();
        // A step of int4 is 0.012.
        for (dtype, bound) in
            [(DType::F32, 1e-3), (DType::F16, 1e-3), (DType::Int8, 1e-3), (DType::Int4, 6e-3)]
        {
            let info = TensorInfo { name: "conv.weight".to_owned(), shape: shape.clone(), dtype };
            let bytes = stored(&info, 5, 2);
            assert_eq!(Some(bytes.len() as u64), info.stored_bytes());
            let values = dequantise(&info, &bytes);
            let square: f32 = values.iter().map(|value| value * value).sum::<f32>() / values.len() as f32;
            assert!((square * 432.0 - 1.0).abs() < 0.05, "{dtype:?}: {square}");
            let first = exact.first().copied().unwrap_or(values[0]);
            assert!((values[0] - first).abs() < bound, "the same numbers whatever the type");
            exact.push(values[0]);
        }
        let info = TensorInfo { name: "norm.weight".to_owned(), shape: vec![10], dtype: DType::F32 };
        let values = dequantise(&info, &stored(&info, 5, 2));
        assert!(values.iter().all(|value| (0.75..=1.25).contains(value)));
        assert_ne!(stored(&info, 5, 2), stored(&info, 6, 2));
        assert_ne!(stored(&info, 5, 2), stored(&info, 5, 3));
    }
}
