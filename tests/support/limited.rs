//! An executor that has room for small decoders only, or runs out of memory at a moment of its work, and notes what is
//! planned.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use tenstep::error::{Error, Result};
use tenstep::executor::{BackendReport, Command, Executor, Term};
use tenstep::graph::Graph;
use tenstep::weights::TensorInfo;

pub struct Limited<E: Executor> {
    inner: E,
    /// The most latents that there is room for to plan a decoder of.
    pub room_to_plan: Cell<usize>,
    /// The same for evaluating it.
    pub room_to_run: Cell<usize>,
    /// Calls for work, for its results and for its end that there is room for yet.
    pub calls_with_room: Cell<usize>,
    /// How many fail then. Each spoils all that was written and not waited for.
    pub calls_without_room: Cell<usize>,
    /// Of each submission that was not waited for: what it writes.
    written: RefCell<Vec<Vec<Written<E::Tensor>>>>,
    /// Whether copies to the host find no place.
    pub has_full_ring: Cell<bool>,
    /// Whether a plan that is refused is complained about once more, at the next call.
    pub complains_again: Cell<bool>,
    complaint: RefCell<Option<Error>>,
    /// What was planned, or refused: the networks, and decoders by the height and width of their latents.
    pub planned: RefCell<Vec<String>>,
    /// One for each decoder's plan that is alive.
    decoders: Rc<()>,
}

/// A tensor, an offset in it and a length.
type Written<T> = (T, usize, usize);

pub struct Plan<P> {
    plan: P,
    /// Latents, and what says that the plan is alive, of a decoder.
    decoder: Option<(usize, Rc<()>)>,
}

impl<E: Executor> Limited<E> {
    pub fn new(inner: E) -> Self {
        Self {
            inner,
            room_to_plan: Cell::new(usize::MAX),
            room_to_run: Cell::new(usize::MAX),
            calls_with_room: Cell::new(usize::MAX),
            calls_without_room: Cell::default(),
            written: RefCell::default(),
            has_full_ring: Cell::default(),
            complains_again: Cell::default(),
            complaint: RefCell::default(),
            planned: RefCell::default(),
            decoders: Rc::default(),
        }
    }

    /// Plans of decoders that are alive.
    pub fn decoders(&self) -> usize {
        Rc::strong_count(&self.decoders) - 1
    }

    fn call(&self) -> Result<()> {
        if let Some(complaint) = self.complaint.take() {
            return Err(complaint);
        }
        if self.calls_with_room.get() > 0 {
            self.calls_with_room.set(self.calls_with_room.get() - 1);
            return Ok(());
        }
        if self.calls_without_room.get() == 0 {
            return Ok(());
        }
        self.calls_without_room.set(self.calls_without_room.get() - 1);
        for (out, offset, len) in self.written.take().into_iter().flatten() {
            let terms = vec![Term { coefficient: f32::NAN, tensor: &out, offset }];
            self.inner.submit(&[Command::Combine { out: &out, offset, len, terms }])?;
        }
        Err(shortage())
    }

    /// A call that writes.
    fn call_for(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        let written = commands.iter().filter_map(|command| match command {
            Command::Prepare(_) | Command::Evaluate(_) => None,
            Command::Combine { out, offset, len, .. } | Command::CombineRescaled { out, offset, len, .. } => {
                Some(((*out).clone(), *offset, *len))
            }
            Command::Threshold { estimate, len, .. } => Some(((*estimate).clone(), 0, *len)),
        });
        self.written.borrow_mut().push(written.collect());
        self.call()
    }
}

fn shortage() -> Error {
    Error::OutOfMemory { message: "a test wanted it so".to_owned() }
}

/// Height and width of the latents, if the graph is a decoder's.
fn latents_of_decoder(graph: &Graph) -> Option<[usize; 2]> {
    graph.outputs().find(|(name, _)| *name == "sample")?;
    let (_, latents) = graph.inputs().find(|(name, _)| *name == "latents")?;
    Some([graph.shape(latents)[1], graph.shape(latents)[2]])
}

fn inner<'a, E: Executor>(command: &Command<'a, Limited<E>>) -> Command<'a, E> {
    let same = |terms: &[Term<'a, E::Tensor>]| {
        terms
            .iter()
            .map(|&Term { coefficient, tensor, offset }| Term { coefficient, tensor, offset })
            .collect()
    };
    match command {
        Command::Prepare(plan) => Command::Prepare(&plan.plan),
        Command::Evaluate(plan) => Command::Evaluate(&plan.plan),
        Command::Combine { out, offset, len, terms } => {
            Command::Combine { out: *out, offset: *offset, len: *len, terms: same(terms) }
        }
        Command::CombineRescaled { out, offset, len, terms, rescale } => {
            let (out, offset, len, rescale) = (*out, *offset, *len, *rescale);
            Command::CombineRescaled { out, offset, len, terms: same(terms), rescale }
        }
        Command::Threshold { estimate, len, thresholding } => {
            Command::Threshold { estimate: *estimate, len: *len, thresholding: *thresholding }
        }
    }
}

impl<E: Executor> Executor for Limited<E> {
    type Tensor = E::Tensor;
    type Weights = E::Weights;
    type Plan = Plan<E::Plan>;
    type Readback = E::Readback;

    fn report(&self) -> BackendReport {
        self.inner.report()
    }

    fn tensor(&self, shape: &[usize]) -> Result<Self::Tensor> {
        self.inner.tensor(shape)
    }

    fn write(&self, tensor: &Self::Tensor, values: &[f32]) -> Result<()> {
        self.inner.write(tensor, values)
    }

    fn weights(&self, tensors: &[TensorInfo]) -> Result<Self::Weights> {
        self.inner.weights(tensors)
    }

    fn push(&self, weights: &mut Self::Weights, tensor: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        self.inner.push(weights, tensor, offset, bytes)
    }

    async fn plan(&self, graph: &Graph, weights: &Self::Weights) -> Result<Self::Plan> {
        let latents = latents_of_decoder(graph);
        let outputs: Vec<&str> = graph.outputs().map(|(name, _)| name).collect();
        let what = latents.map_or_else(|| outputs.join(" "), |[height, width]| format!("{height} x {width}"));
        self.planned.borrow_mut().push(what);
        let count = latents.map(|[height, width]| height * width);
        if count.is_some_and(|count| count > self.room_to_plan.get()) {
            if self.complains_again.get() {
                self.complaint.replace(Some(Error::Gpu { message: "[Invalid Buffer]".to_owned() }));
            }
            return Err(shortage());
        }
        let plan = self.inner.plan(graph, weights).await?;
        Ok(Plan { plan, decoder: count.map(|count| (count, self.decoders.clone())) })
    }

    fn input<'a>(&self, plan: &'a Self::Plan, name: &str) -> Option<&'a Self::Tensor> {
        self.inner.input(&plan.plan, name)
    }

    fn output<'a>(&self, plan: &'a Self::Plan, name: &str) -> Option<&'a Self::Tensor> {
        self.inner.output(&plan.plan, name)
    }

    fn submit(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        self.call_for(commands)?;
        self.inner.submit(&commands.iter().map(inner).collect::<Vec<_>>())
    }

    async fn submit_in_pieces(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        self.call_for(commands)?;
        let has_room = |command: &Command<'_, Self>| match command {
            Command::Evaluate(Plan { decoder: Some((latents, _)), .. }) => *latents <= self.room_to_run.get(),
            _ => true,
        };
        match commands.iter().all(has_room) {
            true => self.inner.submit_in_pieces(&commands.iter().map(inner).collect::<Vec<_>>()).await,
            false => Err(shortage()),
        }
    }

    fn begin_read(&self, tensors: &[&Self::Tensor]) -> Result<Option<Self::Readback>> {
        self.call()?;
        if self.has_full_ring.get() {
            return Ok(None);
        }
        self.inner.begin_read(tensors)
    }

    async fn try_read(&self, readback: &mut Self::Readback) -> Result<Option<Vec<f32>>> {
        self.call()?;
        self.inner.try_read(readback).await
    }

    async fn read(&self, tensor: &Self::Tensor) -> Result<Vec<f32>> {
        self.call()?;
        self.inner.read(tensor).await
    }

    async fn settle(&self, in_flight: usize) -> Result<()> {
        self.call()?;
        let waited_for = self.written.borrow().len().saturating_sub(in_flight);
        self.written.borrow_mut().drain(..waited_for);
        self.inner.settle(in_flight).await
    }

    async fn recover(&self) {
        self.complaint.take();
        self.inner.recover().await;
    }
}
