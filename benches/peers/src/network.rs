//! A network at one size, with its weights, ready to be evaluated.

use serde_json::Value as Json;
use tenstep::error::{Error, Result};
use tenstep::executor::{Command, Executor};
use tenstep::graph::Graph;
use tenstep::model::{self, AutoencoderConfig, AutoencoderRequest, TextEncoderConfig, TextEncoderRequest};
use tenstep::model::{UNetConfig, UNetRequest};
use tenstep::weights::TensorInfo;
use wasm_bindgen::prelude::wasm_bindgen;

#[cfg(all(feature = "cpu", not(feature = "gpu")))]
type Device = tenstep::burn::Cpu;
#[cfg(feature = "gpu")]
type Device = tenstep::gpu::Gpu;

#[cfg(all(feature = "cpu", not(feature = "gpu")))]
async fn device() -> Result<Device> {
    Ok(Device::new())
}
#[cfg(feature = "gpu")]
async fn device() -> Result<Device> {
    Device::new(tenstep::gpu::GpuOptions::default()).await
}

/// A network on a device of its own. Every input and output is f32, channels last.
#[wasm_bindgen]
pub struct Network {
    device: Device,
    plan: <Device as Executor>::Plan,
    output: String,
    flops: u64,
}

#[wasm_bindgen]
impl Network {
    /// `component` is a manifest's name for the kind of network, `config` diffusers' JSON of it. `tensors` lists the parameters as
    /// a manifest does; `stored` is their stored forms, one after the other. `size` is that of the latents, `tokens` the
    /// length of the text; a network without the one or the other ignores it.
    pub async fn create(
        component: &str,
        config: &str,
        tensors: &str,
        stored: &[u8],
        batch: usize,
        size: usize,
        tokens: usize,
    ) -> std::result::Result<Network, String> {
        let config = json(config)?;
        let tensors: Vec<TensorInfo> = serde_json::from_value(json(tensors)?).map_err(message)?;
        let graph = graph(component, &config, batch, size, tokens)?;
        Self::ready(&graph, &tensors, stored).await.map_err(message)
    }

    /// Floating-point operations of one evaluation; a multiply-add counts as two.
    pub fn flops(&self) -> f64 {
        self.flops as f64
    }

    /// Replaces the values of the input `name`.
    pub fn write(&self, name: &str, values: &[f32]) -> std::result::Result<(), String> {
        let tensor = self.device.input(&self.plan, name);
        let tensor = tensor.ok_or_else(|| format!("the network has no input {name}"))?;
        self.device.write(tensor, values).map_err(message)
    }

    /// Hands an evaluation to the device; on the CPU it is done when this returns.
    pub fn submit(&self) -> std::result::Result<(), String> {
        self.device.submit(&[Command::Evaluate(&self.plan)]).map_err(message)
    }

    /// The output's values, once the device has made them.
    pub async fn read(&self) -> std::result::Result<Vec<f32>, String> {
        let output = self.device.output(&self.plan, &self.output);
        let output = output.ok_or_else(|| format!("the network has no output {}", self.output))?;
        self.device.read(output).await.map_err(message)
    }
}

impl Network {
    async fn ready(graph: &Graph, tensors: &[TensorInfo], stored: &[u8]) -> Result<Self> {
        let device = device().await?;
        let mut weights = device.weights(tensors)?;
        let mut rest = stored;
        for (index, tensor) in tensors.iter().enumerate() {
            let length = tensor.stored_bytes().and_then(|bytes| usize::try_from(bytes).ok());
            let (bytes, after) = length
                .and_then(|length| rest.split_at_checked(length))
                .ok_or_else(|| Error::MissingTensor { tensor: tensor.name.clone() })?;
            device.push(&mut weights, index, 0, bytes)?;
            rest = after;
        }
        let plan = device.plan(graph, &weights).await?;
        let output = graph.outputs().next().map_or_else(String::new, |(name, _)| name.to_owned());
        Ok(Self { device, plan, output, flops: graph.cost().flops })
    }
}

fn graph(
    component: &str,
    config: &Json,
    batch: usize,
    size: usize,
    tokens: usize,
) -> std::result::Result<Graph, String> {
    let graph = match component {
        "text_encoder" => TextEncoderConfig::from_json(config).and_then(|config| {
            let request = TextEncoderRequest { batch, length: tokens, ..TextEncoderRequest::default() };
            model::text_encoder(&config, &request)
        }),
        "unet" => UNetConfig::from_json(config).and_then(|config| {
            let request = UNetRequest {
                batch,
                height: size,
                width: size,
                text_length: tokens,
                ..UNetRequest::default()
            };
            model::unet(&config, &request)
        }),
        "vae_decoder" => AutoencoderConfig::from_json(config).and_then(|config| {
            model::decoder(&config, &AutoencoderRequest { batch, height: size, width: size })
        }),
        other => return Err(format!("there is no network of the kind {other}")),
    };
    graph.map_err(message)
}

fn json(text: &str) -> std::result::Result<Json, String> {
    serde_json::from_str(text).map_err(message)
}

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}
