//! What the page calls: the same as of our own networks.

use std::cell::RefCell;
use std::collections::HashMap;

use burn_tensor::{Device, Tensor, TensorData};
use cubecl_runtime::config::{CubeClRuntimeConfig, RuntimeConfig};
use js_sys::Function;
use tenstep::weights::TensorInfo;
use wasm_bindgen::prelude::wasm_bindgen;

use super::parameters::Parameters;
use super::plan::Plan;
use crate::graph::graph;
use crate::stored::{StoredForms, tensors};

/// Parameters from which on Burn's autotune times each candidate kernel once, after its three warm-ups, and not ten times: a kernel then
/// takes seconds on a software adapter, and ten rounds hours.
const MANY_PARAMETERS: usize = 200_000_000;

fn tune_briefly() {
    let mut config = CubeClRuntimeConfig::default();
    (config.autotune.bench.min_samples, config.autotune.bench.max_samples) = (1, 1);
    // It stands once it was read: a page has one network.
    CubeClRuntimeConfig::try_set(config);
}

/// A network on a device of its own. Every input and output is f32, channels last.
#[wasm_bindgen]
pub struct Network {
    device: Device,
    plan: Plan,
    inputs: RefCell<HashMap<String, Tensor<4>>>,
    output: RefCell<Option<Tensor<4>>>,
    flops: u64,
}

#[wasm_bindgen]
impl Network {
    /// `list` is the parameters as a manifest lists them; `take` promises so many more bytes of their stored forms. The rest
    /// is as [`graph`] takes it.
    pub async fn create(
        component: &str,
        config: &str,
        list: &str,
        take: Function,
        batch: usize,
        size: usize,
        tokens: usize,
    ) -> Result<Network, String> {
        let graph = graph(component, config, batch, size, tokens)?;
        let list = tensors(list)?;
        if list.iter().filter_map(TensorInfo::elements).sum::<usize>() >= MANY_PARAMETERS {
            tune_briefly();
        }
        let device = Device::wgpu_options().init_async().await.map_err(|error| error.to_string())?;
        let parameters = Parameters::new(&device, &list, &StoredForms::new(take)).await?;
        let plan = Plan::new(&graph, &parameters)?;
        Ok(Self {
            device,
            plan,
            inputs: RefCell::default(),
            output: RefCell::default(),
            flops: graph.cost().flops,
        })
    }

    /// Floating-point operations of one evaluation; a multiply-add counts as two.
    pub fn flops(&self) -> f64 {
        self.flops as f64
    }

    /// Replaces the values of the input `name`.
    pub fn write(&self, name: &str, values: &[f32]) -> Result<(), String> {
        let shape = self.plan.input(name).ok_or_else(|| format!("the network has no input {name}"))?;
        let tensor = Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.device);
        self.inputs.borrow_mut().insert(name.to_owned(), tensor);
        Ok(())
    }

    /// Asks Burn for an evaluation, which it may put off until the output is read.
    pub fn submit(&self) -> Result<(), String> {
        let output = self.plan.evaluate(&self.inputs.borrow())?;
        self.output.replace(Some(output));
        Ok(())
    }

    /// The output's values, once the device has made them.
    pub async fn read(&self) -> Result<Vec<f32>, String> {
        let output = self.output.take().ok_or("nothing was submitted")?;
        let data = output.into_data_async().await.map_err(|error| format!("{error:?}"))?;
        data.try_into_vec().map_err(|error| format!("{error:?}"))
    }
}
