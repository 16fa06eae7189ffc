//! One UNet on the CPU executor, to be timed: in a browser through wasm-bindgen, natively by `main.rs`.

use serde_json::Value;
use tenstep::burn::{Cpu, Plan};
use tenstep::error::Error;
use tenstep::executor::{Command, Executor};
use tenstep::model::{UNetConfig, UNetRequest, unet};
use tenstep::weights::{DType, TensorInfo};
use wasm_bindgen::prelude::wasm_bindgen;

/// A UNet2DConditionModel, ready to be evaluated at one size.
#[wasm_bindgen]
pub struct Unet {
    plan: Plan,
    flops: u64,
}

#[wasm_bindgen]
impl Unet {
    /// Reads diffusers' `config.json` and `diffusion_pytorch_model.safetensors` (f32 or f16). `size` is that of the
    /// latents; `tokens` is the length of the text.
    #[wasm_bindgen(constructor)]
    pub fn new(
        config: &str,
        safetensors: &[u8],
        batch: usize,
        size: usize,
        tokens: usize,
    ) -> Result<Unet, String> {
        let config: Value = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let config = UNetConfig::from_json(&config).map_err(message)?;
        let request =
            UNetRequest { batch, height: size, width: size, text_length: tokens, ..UNetRequest::default() };
        let graph = unet(&config, &request).map_err(message)?;

        let tensors = tensors(safetensors).ok_or("this is no safetensors file of f32 and f16 tensors")?;
        let infos: Vec<TensorInfo> = tensors.iter().map(|(info, _)| info.clone()).collect();
        let mut weights = Cpu.weights(&infos).map_err(message)?;
        for (index, (_, bytes)) in tensors.iter().enumerate() {
            let mut stored = bytes.to_vec();
            stored.resize(stored.len().next_multiple_of(4), 0);
            Cpu.push(&mut weights, index, 0, &stored).map_err(message)?;
        }
        let plan = ready(Cpu.plan(&graph, &weights)).map_err(message)?;
        Ok(Self { plan, flops: graph.cost().flops })
    }

    /// Floating-point operations of one evaluation; a multiply-add counts as two.
    pub fn flops(&self) -> f64 {
        self.flops as f64
    }

    /// The network's output `[B, h, w, C]` for `sample [B, h, w, C]`, one timestep for the whole batch, and
    /// `encoder_hidden_states [B, L, D]`.
    pub fn evaluate(
        &self,
        sample: &[f32],
        timestep: f32,
        encoder_hidden_states: &[f32],
        batch: usize,
    ) -> Result<Vec<f32>, String> {
        let timesteps = vec![timestep; batch];
        let inputs =
            [("sample", sample), ("timestep", &timesteps), ("encoder_hidden_states", encoder_hidden_states)];
        for (name, values) in inputs {
            let tensor =
                Cpu.input(&self.plan, name).ok_or_else(|| format!("the network has no input {name}"))?;
            Cpu.write(tensor, values).map_err(message)?;
        }
        Cpu.submit(&[Command::Evaluate(&self.plan)]).map_err(message)?;
        let output =
            Cpu.output(&self.plan, "model_output").ok_or("the network has no output model_output")?;
        ready(Cpu.read(output)).map_err(message)
    }
}

fn message(error: Error) -> String {
    error.to_string()
}

/// The tensors of a safetensors file: a little-endian u64, a JSON header of that length, then the bytes that
/// the header's offsets point into.
fn tensors(file: &[u8]) -> Option<Vec<(TensorInfo, &[u8])>> {
    let length = usize::try_from(u64::from_le_bytes(*file.first_chunk()?)).ok()?;
    let (header, data) = file[8..].split_at_checked(length)?;
    let header: Value = serde_json::from_slice(header).ok()?;
    let entries = header.as_object()?.iter().filter(|(name, _)| *name != "__metadata__");
    entries
        .map(|(name, entry)| {
            let dtype = match entry["dtype"].as_str()? {
                "F32" => DType::F32,
                "F16" => DType::F16,
                _ => return None,
            };
            let sizes = |key: &str| -> Option<Vec<usize>> {
                entry[key].as_array()?.iter().map(|size| usize::try_from(size.as_u64()?).ok()).collect()
            };
            let offsets = sizes("data_offsets")?;
            let bytes = data.get(*offsets.first()?..*offsets.last()?)?;
            Some((TensorInfo { name: name.clone(), shape: sizes("shape")?, dtype }, bytes))
        })
        .collect()
}

/// The result of a future that is ready at once, as all of the CPU executor's are.
fn ready<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(future).poll(&mut context) {
        std::task::Poll::Ready(result) => result,
        std::task::Poll::Pending => panic!("the CPU executor waited for something"),
    }
}
