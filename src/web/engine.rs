//! The engine that a worker holds.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::Object;
use serde::Serialize;
use wasm_bindgen::prelude::*;

use super::state::{state_from, state_object};
use super::stop::Stop;
use super::value::{fields_from, object_from, picture_from, set};
use crate::error::{Error, Result};
use crate::executor::{Arithmetic, Executor};
use crate::options::GenerateOptions;
use crate::pipeline::{Loader, Model, ModelInfo, Run, StepReport};
use crate::weights::Manifest;

#[cfg(all(feature = "cpu", not(feature = "gpu")))]
type Device = crate::burn::Cpu;
#[cfg(feature = "gpu")]
type Device = crate::gpu::Gpu;

#[cfg(all(feature = "cpu", not(feature = "gpu")))]
async fn device(_: Arithmetic) -> Result<Device> {
    Ok(Device::new())
}
#[cfg(feature = "gpu")]
async fn device(arithmetic: Arithmetic) -> Result<Device> {
    Device::new(crate::gpu::GpuOptions { arithmetic, ..Default::default() }).await
}

/// One executor, the models loaded on it, and their runs. Handles are small integers.
#[wasm_bindgen]
pub struct Engine {
    device: Rc<Device>,
    next_handle: Cell<u32>,
    pub(super) loaders: RefCell<HashMap<u32, Loader<Device>>>,
    pub(super) models: RefCell<HashMap<u32, Rc<Model<Device>>>>,
    runs: RefCell<HashMap<u32, Run<Device>>>,
    /// UNets by themselves.
    #[cfg(all(feature = "cpu", not(feature = "gpu")))]
    pub(super) evaluators: RefCell<HashMap<u32, Rc<crate::pipeline::Evaluator<Device>>>>,
    /// Of runs that are taken out of the table, and of evaluators at work.
    pub(super) under_way: RefCell<HashMap<u32, Stop>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoadPlan {
    model: u32,
    shards: Vec<ShardInfo>,
    total_bytes: u64,
    can_be_rounded: bool,
    info: ModelInfo,
}

#[derive(Serialize)]
struct ShardInfo {
    shard: usize,
    component: String,
    file: String,
    bytes: u64,
    sha256: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartReport {
    run: u32,
    seed: u64,
    steps: usize,
    solver_steps: usize,
    width: usize,
    height: usize,
    warnings: Vec<String>,
}

#[wasm_bindgen]
impl Engine {
    /// Asks for a device (in the WebGPU module) and makes an engine on it. `arithmetic` is `"f32"`, or `"f16"` for products in f16 where
    /// the device has 16-bit arithmetic.
    pub async fn create(arithmetic: &str) -> Result<Engine, JsValue> {
        let arithmetic = if arithmetic == "f16" { Arithmetic::F16 } else { Arithmetic::F32 };
        Ok(Self {
            device: Rc::new(device(arithmetic).await?),
            next_handle: Cell::new(1),
            loaders: RefCell::default(),
            models: RefCell::default(),
            runs: RefCell::default(),
            #[cfg(all(feature = "cpu", not(feature = "gpu")))]
            evaluators: RefCell::default(),
            under_way: RefCell::default(),
        })
    }

    /// What runs, and on what.
    #[wasm_bindgen(unchecked_return_type = "BackendReport")]
    pub fn report(&self) -> Result<JsValue, JsValue> {
        Ok(object_from(&self.device.report())?)
    }

    /// Checks a manifest and says which shards to push. `rounded`: large matrices become int8, for a device that has no
    /// room for them as they are stored.
    #[wasm_bindgen(unchecked_return_type = "LoadPlan")]
    pub fn begin(&self, manifest: &str, rounded: Option<bool>) -> Result<JsValue, JsValue> {
        let (device, manifest) = (self.device.clone(), Manifest::parse(manifest)?);
        let loader = match rounded {
            Some(true) => Loader::rounded(device, manifest)?,
            _ => Loader::new(device, manifest)?,
        };
        // So that a picture does not depend on whether a second thread took part.
        #[cfg(all(feature = "cpu", not(feature = "gpu")))]
        let loader = loader.in_halves();
        let shards: Vec<ShardInfo> = loader
            .shards()
            .map(|(shard, component, record)| ShardInfo {
                shard,
                component: component.to_owned(),
                file: record.file.clone(),
                bytes: record.bytes,
                sha256: record.sha256.clone(),
            })
            .collect();
        let model = self.handle();
        let total_bytes = shards.iter().map(|shard| shard.bytes).sum();
        // The CPU computes with f32 whatever is stored.
        let can_be_rounded = cfg!(feature = "gpu") && loader.can_be_rounded();
        let plan = LoadPlan { model, shards, total_bytes, can_be_rounded, info: loader.info().clone() };
        self.loaders.borrow_mut().insert(model, loader);
        Ok(object_from(&plan)?)
    }

    /// Checks a shard's length and SHA-256 and puts it on the device. Any order; resolves when the device
    /// keeps up, so that pending uploads stay few. `sha256` is the digest of the bytes, which
    /// only the CPU's module can do without: digests and WebGPU are there for the same pages.
    #[wasm_bindgen(js_name = pushShard)]
    pub async fn push_shard(
        &self,
        model: u32,
        shard: usize,
        bytes: &[u8],
        sha256: Option<Vec<u8>>,
    ) -> Result<(), JsValue> {
        {
            let mut loaders = self.loaders.borrow_mut();
            let loader = loaders.get_mut(&model).ok_or_else(|| gone("model"))?;
            match sha256 {
                Some(sha256) => loader.push_digested(shard, bytes, &sha256)?,
                // Where there is WebGPU, there are digests.
                None if cfg!(feature = "gpu") => loader.push_digested(shard, bytes, &[])?,
                None => loader.push_shard(shard, bytes)?,
            }
        }
        Ok(self.device.settle(0).await?)
    }

    /// Prepares the networks of a model whose shards are all there, for its default size.
    pub async fn finish(&self, model: u32) -> Result<(), JsValue> {
        let loader = self.loaders.borrow_mut().remove(&model).ok_or_else(|| gone("model"))?;
        let finished = Rc::new(loader.finish().await?);
        self.models.borrow_mut().insert(model, finished);
        Ok(())
    }

    /// Lets go of a model, loaded or half loaded. Runs that use it keep it until they are dropped.
    pub fn abandon(&self, model: u32) {
        self.loaders.borrow_mut().remove(&model);
        self.models.borrow_mut().remove(&model);
    }

    /// Starts a run: encodes the prompt and draws the noise. Without a seed, 0 is taken: the page draws one, to have it
    /// when it needs the run again.
    #[wasm_bindgen(unchecked_return_type = "StartReport")]
    pub async fn start(&self, model: u32, options: JsValue) -> Result<JsValue, JsValue> {
        let model = self.models.borrow().get(&model).cloned().ok_or_else(|| gone("model"))?;
        let options = GenerateOptions::from_fields(&fields_from(&options)?, model.limits())?;
        let run = model.start(&options).await?;
        let report = StartReport {
            run: self.handle(),
            seed: options.seed.unwrap_or_default(),
            steps: run.steps(),
            solver_steps: run.solver_steps(),
            width: options.width,
            height: options.height,
            warnings: run.warnings(),
        };
        self.runs.borrow_mut().insert(report.run, run);
        Ok(object_from(&report)?)
    }

    /// Takes one step: an evaluation of the network.
    #[wasm_bindgen(unchecked_return_type = "StepReport")]
    pub async fn step(&self, run: u32) -> Result<JsValue, JsValue> {
        let step = async |run: &mut Run<Device>| Ok((run.step().await?, standing(run)));
        let (StepReport { preview, state }, report) = self.with_run(run, step).await?;
        set(&report, "preview", &preview.as_ref().map_or(JsValue::NULL, picture_from));
        set(&report, "state", &state.as_ref().map_or(JsValue::NULL, state_object));
        Ok(report.into())
    }

    /// Where a run stands: what `restore` of another run with the same options goes on from.
    #[wasm_bindgen(unchecked_return_type = "RunState")]
    pub async fn state(&self, run: u32) -> Result<JsValue, JsValue> {
        Ok(state_object(&self.with_run(run, async |run| run.state().await).await?))
    }

    /// Takes a run that has made no step to where another stood.
    #[wasm_bindgen(unchecked_return_type = "Standing")]
    pub fn restore(&self, run: u32, state: &JsValue) -> Result<JsValue, JsValue> {
        let mut runs = self.runs.borrow_mut();
        let running = runs.get_mut(&run).ok_or_else(|| gone("run"))?;
        running.restore(&state_from(state, running.state_values())?)?;
        Ok(standing(running).into())
    }

    /// Decodes a run's latents, as they stand, to a picture.
    #[wasm_bindgen(unchecked_return_type = "Picture & DecodeReport")]
    pub async fn decode(&self, run: u32) -> Result<JsValue, JsValue> {
        let decode = async |run: &mut Run<Device>| {
            let image = run.decode().await?;
            Ok((image, object_from(run.timings())?, object_from(&run.warnings())?))
        };
        let (image, timings, warnings) = self.with_run(run, decode).await?;
        let picture: Object = picture_from(&image).unchecked_into();
        set(&picture, "timings", &timings);
        set(&picture, "warnings", &warnings);
        Ok(picture.into())
    }

    /// A run's latents `[1, h, w, C]`, channels last, at the noise level of its current step.
    pub async fn latents(&self, run: u32) -> Result<Vec<f32>, JsValue> {
        Ok(self.with_run(run, async |run| run.latents().await).await?)
    }

    /// Lets go of a run. A call of it that is under way stops at the end of the piece of work in hand, with `disposed`.
    #[wasm_bindgen(js_name = drop)]
    pub fn drop_run(&self, run: u32) {
        self.runs.borrow_mut().remove(&run);
        if let Some(stop) = self.under_way.borrow().get(&run) {
            stop.set();
        }
    }

    fn handle(&self) -> u32 {
        let handle = self.next_handle.get();
        self.next_handle.set(handle + 1);
        handle
    }

    /// Takes a run out of the table while `work` is awaited, so that no borrow is held across an await.
    async fn with_run<T>(
        &self,
        run: u32,
        work: impl AsyncFnOnce(&mut Run<Device>) -> Result<T>,
    ) -> Result<T> {
        let mut running = self.runs.borrow_mut().remove(&run).ok_or_else(|| gone("run"))?;
        let stop = Stop::default();
        self.under_way.borrow_mut().insert(run, stop.clone());
        let outcome = stop.unless_set(work(&mut running)).await;
        self.under_way.borrow_mut().remove(&run);
        let outcome = outcome.ok_or_else(|| gone("run"))?;
        self.runs.borrow_mut().insert(run, running);
        outcome
    }
}

/// How far a run has come.
fn standing(run: &Run<Device>) -> Object {
    let object = Object::new();
    let numbers = [("step", run.step_number()), ("steps", run.steps()), ("solverSteps", run.solver_steps())];
    for (name, number) in numbers {
        set(&object, name, &(number as u32).into());
    }
    set(&object, "done", &run.is_done().into());
    object
}

pub(super) fn gone(what: &str) -> Error {
    Error::Disposed { what: what.to_owned() }
}
