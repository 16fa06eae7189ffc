//! A network at one size, with its weights, ready to be evaluated on one of our executors.

use js_sys::Function;
use tenstep::error::Result;
use tenstep::executor::{Arithmetic, Command, Executor};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::graph::graph;
use crate::stored::{StoredForms, tensors};

#[cfg(all(feature = "cpu", not(feature = "gpu")))]
type Device = tenstep::burn::Cpu;
#[cfg(feature = "gpu")]
type Device = tenstep::gpu::Gpu;

#[cfg(all(feature = "cpu", not(feature = "gpu")))]
async fn device(_: Arithmetic) -> Result<Device> {
    Ok(Device::new())
}
#[cfg(feature = "gpu")]
async fn device(arithmetic: Arithmetic) -> Result<Device> {
    Device::new(tenstep::gpu::GpuOptions { arithmetic, ..Default::default() }).await
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
    /// `list` is the parameters as a manifest lists them; `take` promises so many more bytes of their stored forms. The rest
    /// is as [`graph`] takes it, and `arithmetic` what products are computed in where the device can.
    #[allow(clippy::too_many_arguments, reason = "a call from JavaScript")]
    pub async fn create(
        component: &str,
        config: &str,
        list: &str,
        take: Function,
        batch: usize,
        size: usize,
        tokens: usize,
        arithmetic: &str,
    ) -> std::result::Result<Network, String> {
        let graph = graph(component, config, batch, size, tokens)?;
        let tensors = tensors(list)?;
        let forms = StoredForms::new(take);
        let arithmetic = serde_json::from_value(arithmetic.into()).map_err(message)?;
        let device = device(arithmetic).await.map_err(message)?;
        let mut weights = device.weights(&tensors).map_err(message)?;
        for (index, tensor) in tensors.iter().enumerate() {
            let form = forms.next(tensor).await?;
            device.push(&mut weights, index, 0, &form).map_err(message)?;
        }
        let plan = device.plan(&graph, &weights).await.map_err(message)?;
        let output = graph.outputs().next().map_or_else(String::new, |(name, _)| name.to_owned());
        Ok(Self { device, plan, output, flops: graph.cost().flops })
    }

    /// Floating-point operations of one evaluation; a multiply-add counts as two.
    pub fn flops(&self) -> f64 {
        self.flops as f64
    }

    /// What products are computed in.
    pub fn arithmetic(&self) -> String {
        format!("{:?}", self.device.report().arithmetic).to_lowercase()
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

fn message(error: impl std::fmt::Display) -> String {
    error.to_string()
}
