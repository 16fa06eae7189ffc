//! [`Executor`] on a GPU.

#[cfg(feature = "native")]
mod measure;
#[cfg(feature = "native")]
mod subgroups;

use std::cell::RefCell;
use std::rc::Rc;

use super::arena::Arena;
use super::buffer::Tensor;
use super::combination::{Combination, Combinations, variants};
use super::device::{Device, DeviceInfo, GpuOptions};
use super::pace::Pace;
use super::pipelines::Pipelines;
use super::plan::Plan;
use super::readback::{self, Readback, Ring};
use super::sequence::{Part, Sequence, send, split, work};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::executor::{BackendReport, Command, Executor};
use crate::graph::Graph;
use crate::host::now_millis;
use crate::weights::TensorInfo;

#[cfg(feature = "native")]
pub use measure::{Adapter, Memory, Peaks};

/// A device with its pipelines, the arena that plans share, and the ring of read-backs. Clones share it.
#[derive(Clone)]
pub struct Gpu(Rc<Shared>);

struct Shared {
    device: Device,
    pipelines: Pipelines,
    arena: RefCell<Arena>,
    combinations: Combinations,
    ring: Ring,
    pace: Pace,
    /// The work that was last submitted, if it went out as one and nobody has waited since; else 0.
    whole: std::cell::Cell<u64>,
    /// Bytes written since the last submission. Native drivers hold a copy of them until then.
    written: std::cell::Cell<u64>,
}

/// What commands come to on the device: their combinations, and their plans' dispatches.
struct BoundCommands {
    combinations: Sequence,
    /// One for each command that has a plan.
    plans: Vec<Rc<Sequence>>,
}

impl BoundCommands {
    fn in_order(&self, commands: &[Command<'_, Gpu>]) -> Vec<Part<'_>> {
        let mut plans = self.plans.iter();
        let mut combined = 0;
        let mut parts: Vec<Part<'_>> = Vec::new();
        for command in commands {
            match command {
                Command::Prepare(plan) => {
                    parts.extend(plans.next().map(|bound| (bound.as_ref(), plan.preparation())));
                }
                Command::Evaluate(plan) => {
                    parts.extend(plans.next().map(|bound| (bound.as_ref(), plan.evaluation())));
                }
                other if Combination::of(other).is_none() => {}
                _ => {
                    match parts.last_mut() {
                        Some((last, range)) if std::ptr::eq(*last, &self.combinations) => range.end += 1,
                        _ => parts.push((&self.combinations, combined..combined + 1)),
                    }
                    combined += 1;
                }
            }
        }
        parts
    }
}

/// Bytes of parameters that may wait for a submission.
const MAX_WRITTEN: u64 = 32 << 20;

impl Gpu {
    /// Asks the platform for its fastest adapter.
    ///
    /// Errors: there is none, or it refuses a device ([`Error::WebgpuUnavailable`]).
    pub async fn new(options: GpuOptions) -> Result<Self> {
        let device = Device::new(&options).await?;
        let pipelines = Pipelines::new(&device)?;
        pipelines.prepare(&device, &variants()).await?;
        let combinations = Combinations::new(&device);
        device.settled_check().await?;
        #[cfg(all(target_arch = "wasm32", feature = "web"))]
        device.learn_to_wait().await?;
        let gpu = Self(Rc::new(Shared {
            device,
            pipelines,
            arena: RefCell::default(),
            combinations,
            ring: Ring::default(),
            pace: Pace::default(),
            whole: std::cell::Cell::new(0),
            written: std::cell::Cell::new(0),
        }));
        #[cfg(feature = "native")]
        gpu.check_subgroups().await?;
        Ok(gpu)
    }

    /// What is known of the adapter: whether it is a processor in disguise decides which executor an engine takes.
    pub fn info(&self) -> &DeviceInfo {
        self.0.device.info()
    }

    /// Gives the device back at once, whatever still runs on it. Everything asked of this executor or its clones later fails with
    /// [`Error::DeviceLost`].
    pub fn destroy(&self) {
        self.0.device.destroy();
    }

    /// Pipelines compiled so far.
    pub fn pipeline_count(&self) -> usize {
        self.0.pipelines.count()
    }

    /// Bytes of the arena that plans share.
    pub fn arena_bytes(&self) -> u64 {
        self.0.arena.borrow().bytes()
    }

    /// Hands what was written to the device before it piles up.
    fn note_written(&self, bytes: u64) {
        let written = self.0.written.get() + bytes;
        if written > MAX_WRITTEN {
            self.0.device.submit(vec![self.0.device.encoder().finish()]);
            self.0.written.set(0);
        } else {
            self.0.written.set(written);
        }
    }

    /// Makes sure that the arena holds these plans, then binds them to it.
    fn bound(&self, plans: &[&Plan]) -> Vec<Rc<Sequence>> {
        let Shared { device, pipelines, arena, .. } = &*self.0;
        let mut arena = arena.borrow_mut();
        if !plans.iter().all(|plan| arena.holds(plan.needs())) {
            plans.iter().for_each(|plan| arena.register(plan.needs()));
            arena.fit(device);
        }
        plans.iter().map(|plan| plan.bound(device, pipelines, &arena)).collect()
    }

    /// Commands with the memory that they work on, ready to be encoded.
    ///
    /// Errors: the device complained, or a combination is wrong.
    fn bind(&self, commands: &[Command<'_, Self>]) -> Result<BoundCommands> {
        let Shared { device, pipelines, combinations, .. } = &*self.0;
        device.check()?;
        let combined: Vec<Combination<'_>> = commands.iter().filter_map(Combination::of).collect();
        let combinations = combinations.bind(device, pipelines, &combined)?;
        let plans: Vec<&Plan> = commands
            .iter()
            .filter_map(|command| match command {
                Command::Prepare(plan) | Command::Evaluate(plan) => Some(*plan),
                _ => None,
            })
            .collect();
        Ok(BoundCommands { combinations, plans: self.bound(&plans) })
    }

    async fn after_shortage<T>(&self, result: Result<T>) -> Result<T> {
        if let Err(Error::OutOfMemory { .. }) = result {
            self.recover().await;
        }
        result
    }

    /// Sends commands in pieces, each when the one before the last has ended.
    async fn send_in_pieces(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        let Shared { device, pace, .. } = &*self.0;
        let bound = self.bind(commands)?;
        let mut left = bound.in_order(commands);
        let mut before = None;
        loop {
            let started = now_millis();
            let (piece, rest) = split(&left, pace.piece());
            self.send(&piece);
            if before.is_none() && rest.is_empty() {
                self.0.whole.set(work(&piece));
                return Ok(());
            }
            // The piece before has to end, so that the device always has the next one.
            device.settle(1).await?;
            if let Some(before) = before.replace(work(&piece)) {
                pace.note(before, now_millis() - started);
            }
            if rest.is_empty() {
                self.0.whole.set(0);
                return Ok(());
            }
            left = rest;
        }
    }

    async fn make_plan(&self, graph: &Graph, weights: &Weights) -> Result<Plan> {
        let Shared { device, pipelines, arena, .. } = &*self.0;
        device.check()?;
        let plan = Plan::new(device, pipelines, graph, weights).await?;
        {
            let mut arena = arena.borrow_mut();
            arena.register(plan.needs());
            arena.fit(device);
            plan.bound(device, pipelines, &arena);
        }
        device.settled_check().await?;
        Ok(plan)
    }

    /// One submission.
    fn send(&self, parts: &[Part<'_>]) {
        send(&self.0.device, parts);
        self.0.written.set(0);
    }
}

impl Executor for Gpu {
    type Tensor = Tensor;
    type Weights = Weights;
    type Plan = Plan;
    type Readback = Readback;

    fn report(&self) -> BackendReport {
        let DeviceInfo { name, shader_f16, .. } = self.info();
        BackendReport {
            backend: "webgpu",
            device: name.clone(),
            shader_f16: *shader_f16,
            arithmetic: self.0.device.arithmetic(),
        }
    }

    fn tensor(&self, shape: &[usize]) -> Result<Tensor> {
        Tensor::new(&self.0.device, "tensor", shape)
    }

    fn write(&self, tensor: &Tensor, values: &[f32]) -> Result<()> {
        if values.len() != tensor.elements() {
            return Err(Error::ShapeMismatch {
                operation: "write".to_owned(),
                expected: format!("{} values for {:?}", tensor.elements(), tensor.shape()),
                actual: values.len().to_string(),
            });
        }
        self.0.device.queue().write_buffer(tensor.buffer().raw(), 0, bytemuck::cast_slice(values));
        self.note_written(4 * values.len() as u64);
        Ok(())
    }

    fn weights(&self, tensors: &[TensorInfo]) -> Result<Weights> {
        Weights::new(&self.0.device, tensors)
    }

    fn push(&self, weights: &mut Weights, tensor: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        weights.push(&self.0.device, tensor, offset, bytes)?;
        self.note_written(bytes.len() as u64);
        Ok(())
    }

    async fn plan(&self, graph: &Graph, weights: &Weights) -> Result<Plan> {
        let plan = self.make_plan(graph, weights).await;
        self.after_shortage(plan).await
    }

    fn input<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Tensor> {
        plan.input(name)
    }

    fn output<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Tensor> {
        plan.output(name)
    }

    fn submit(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        let bound = self.bind(commands)?;
        self.send(&bound.in_order(commands));
        self.0.whole.set(0);
        Ok(())
    }

    async fn submit_in_pieces(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        let sent = self.send_in_pieces(commands).await;
        self.after_shortage(sent).await
    }

    fn begin_read(&self, tensors: &[&Tensor]) -> Result<Option<Readback>> {
        self.0.device.check()?;
        Ok(self.0.ring.begin(&self.0.device, tensors))
    }

    async fn try_read(&self, readback: &mut Readback) -> Result<Option<Vec<f32>>> {
        readback.values(&self.0.device).await
    }

    async fn read(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        self.0.whole.set(0);
        let values = readback::read(&self.0.device, tensor).await;
        self.after_shortage(values).await
    }

    async fn settle(&self, in_flight: usize) -> Result<()> {
        let Shared { device, pace, whole, .. } = &*self.0;
        let started = now_millis();
        let mut settled = device.settle(in_flight).await;
        pace.note_whole(whole.take(), now_millis() - started);
        // Nothing is under way any more, so what there is to complain about can be known.
        if settled.is_ok() && in_flight == 0 {
            settled = device.settled_check().await;
        }
        self.after_shortage(settled).await
    }

    async fn recover(&self) {
        let Shared { device, arena, ring, .. } = &*self.0;
        arena.borrow_mut().release();
        ring.release();
        // A lost device is reported again.
        let _ = device.settle(0).await;
        let _ = device.settled_check().await;
    }
}
