//! A graph made ready: dispatches with their memory, pipelines and bind groups.

#[cfg(feature = "native")]
mod account;
mod work;

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::arena::{Arena, Needs};
use super::buffer::{ALIGNMENT, GpuBuffer, Tensor};
use super::device::Device;
use super::fusion::fuse;
use super::joint::{self, join};
use super::kernels::{Binding, Dispatch};
use super::liveness::{Interval, Place, place};
use super::lower::lower;
use super::lowering::Lowered;
use super::pipelines::{self, ParamsBuffer, Pipelines};
use super::sequence::Sequence;
use super::storage::{Storage, parameter_forms, value_bytes};
use super::weights::Weights;
use super::winograd::winograd_nodes;
use crate::error::Result;
use crate::graph::{Graph, Value};
use work::Amount;

#[cfg(feature = "native")]
pub use account::{Account, Class, Work};

/// What a binding of a plan's dispatch shows.
enum Source {
    /// Memory of the plan's own, or of the model.
    Own(pipelines::Range),
    /// Part of the shared arena.
    Arena(Place, u64),
    Absent,
}

impl Source {
    /// Bytes from an aligned offset on, rounded up as far as the memory goes.
    fn part(self, start: u64, bytes: u64) -> Self {
        let up_to = |whole: u64| bytes.next_multiple_of(ALIGNMENT).min(whole - start);
        match self {
            Self::Own(pipelines::Range { buffer, offset, bytes }) => {
                Self::Own(pipelines::Range { buffer, offset: offset + start, bytes: up_to(bytes) })
            }
            Self::Arena(place, bytes) => {
                Self::Arena(Place { offset: place.offset + start, ..place }, up_to(bytes))
            }
            Self::Absent => Self::Absent,
        }
    }

    /// Bytes that the shader is shown.
    fn bytes(&self) -> Option<u64> {
        match self {
            Self::Own(range) => Some(range.bytes),
            Self::Arena(_, bytes) => Some(*bytes),
            Self::Absent => None,
        }
    }
}

/// A graph made ready for one set of shapes.
pub struct Plan {
    inputs: Vec<(String, Tensor)>,
    outputs: Vec<(String, Tensor)>,
    dispatches: Vec<(Dispatch, Vec<Source>)>,
    /// Of each dispatch, as [`Amount::total`] has it.
    work: Vec<u64>,
    /// How many of them, the first, prepare the plan: what they make is kept for all evaluations.
    lasting: usize,
    params: ParamsBuffer,
    needs: Rc<Needs>,
    /// The dispatches bound, and the generation of the arena that they were bound to.
    bound: RefCell<Option<(u64, Rc<Sequence>)>>,
    #[cfg(feature = "native")]
    account: Account,
}

impl Plan {
    /// Prepares `graph`, but for the arena, which [`Plan::needs`] speaks of.
    pub async fn new(
        device: &Device,
        pipelines: &Pipelines,
        graph: &Graph,
        weights: &Weights,
    ) -> Result<Self> {
        weights.check()?;
        for (name, value) in graph.parameters() {
            weights.require(name, graph.shape(value))?;
        }
        let steps = join(
            graph,
            fuse(graph, |name| weights.is_whole(device, name)),
            weights,
            device.max_binding_bytes(),
        );
        let lasting = graph.lasting();
        let (first, others): (Vec<_>, Vec<_>) =
            steps.into_iter().partition(|step| lasting[step.result.index()]);
        let steps = [first, others].concat();
        let storage = Storage::of(graph, &steps);
        let winograd = winograd_nodes(graph, &steps, weights, device);
        let forms = parameter_forms(graph, &steps, &storage, &winograd);
        pipelines.prepare(device, &weights.conversions()).await?;
        let joints: Vec<_> = steps
            .iter()
            .filter(|step| !step.joined.is_empty())
            .map(|step| joint::form(graph, &step.joined))
            .collect();
        weights.convert(device, pipelines, &forms, &joints).await?;

        let inputs = named_tensors(device, graph, graph.inputs(), |value| value)?;
        let outputs = named_tensors(device, graph, graph.outputs(), |value| storage.written(graph, value))?;
        let lowered = lower(device, graph, &steps, &storage, weights, &winograd)?;
        let variants: Vec<_> = lowered
            .dispatches
            .iter()
            .map(|dispatch| (dispatch.variant.clone(), dispatch.bindings.len()))
            .collect();
        pipelines.prepare(device, &variants).await?;

        let tensors = inputs.1.into_iter().chain(outputs.1).collect();
        let (sources, needs) = place_all(device, graph, &lowered, &tensors)?;
        let params = ParamsBuffer::new(device, &lowered.dispatches)?;
        let amounts = work::amounts(graph, &steps, &lowered, &sources);
        #[cfg(feature = "native")]
        let account = Account::of(graph, &steps, &lowered, &sources, &amounts, needs.iter().sum());
        Ok(Self {
            inputs: inputs.0,
            outputs: outputs.0,
            lasting: lowered.lasting,
            dispatches: lowered.dispatches.into_iter().zip(sources).collect(),
            work: amounts.iter().map(Amount::total).collect(),
            params,
            needs: Rc::new(needs),
            bound: RefCell::default(),
            #[cfg(feature = "native")]
            account,
        })
    }

    /// Bytes that the plan needs of the arena.
    pub(super) fn needs(&self) -> &Rc<Needs> {
        &self.needs
    }

    /// The tensor of an input.
    pub fn input(&self, name: &str) -> Option<&Tensor> {
        self.inputs.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor)
    }

    /// The tensor of an output.
    pub fn output(&self, name: &str) -> Option<&Tensor> {
        self.outputs.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor)
    }

    /// Number of dispatches of one evaluation.
    pub fn dispatch_count(&self) -> usize {
        self.evaluation().len()
    }

    /// The dispatches that prepare the plan.
    pub(super) fn preparation(&self) -> Range<usize> {
        0..self.lasting
    }

    /// The dispatches of one evaluation.
    pub(super) fn evaluation(&self) -> Range<usize> {
        self.lasting..self.dispatches.len()
    }

    /// What an evaluation does and takes, counted.
    #[cfg(feature = "native")]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The dispatches, bound to the arena as it is now.
    pub(super) fn bound(&self, device: &Device, pipelines: &Pipelines, arena: &Arena) -> Rc<Sequence> {
        let mut bound = self.bound.borrow_mut();
        if let Some((generation, sequence)) = &*bound
            && *generation == arena.generation()
        {
            return sequence.clone();
        }
        let range = |source: &Source| match source {
            Source::Own(range) => Some(range.clone()),
            Source::Arena(place, bytes) => {
                let buffer = arena.buffer(place.buffer).clone();
                Some(pipelines::Range { buffer, offset: place.offset, bytes: *bytes })
            }
            Source::Absent => None,
        };
        let bind = |(index, (dispatch, sources)): (usize, &(Dispatch, Vec<Source>))| {
            let ranges: Vec<Option<pipelines::Range>> = sources.iter().map(range).collect();
            pipelines.bind(device, dispatch, &self.params.range(index), &ranges)
        };
        let dispatches = self.dispatches.iter().enumerate().map(bind).collect();
        let sequence = Rc::new(Sequence::new(device, dispatches, self.work.clone()));
        *bound = Some((arena.generation(), sequence.clone()));
        sequence
    }
}

type NamedTensors = (Vec<(String, Tensor)>, HashMap<Value, Tensor>);

/// Tensors for values with names, by name and by the node that owns their memory. Names of one memory share a buffer.
fn named_tensors<'a>(
    device: &Device,
    graph: &Graph,
    names: impl Iterator<Item = (&'a str, Value)>,
    owner: impl Fn(Value) -> Value,
) -> Result<NamedTensors> {
    let (mut by_name, mut by_owner) = (Vec::new(), HashMap::<Value, Tensor>::new());
    for (name, value) in names {
        let shape = graph.shape(value);
        let tensor = match by_owner.get(&owner(value)) {
            Some(tensor) => tensor.reshaped(shape),
            None => Tensor::new(device, name, shape)?,
        };
        by_owner.insert(owner(value), tensor.clone());
        by_name.push((name.to_owned(), tensor));
    }
    Ok((by_name, by_owner))
}

/// Where each binding of each dispatch is, and what that takes of the arena.
fn place_all(
    device: &Device,
    graph: &Graph,
    lowered: &Lowered,
    tensors: &HashMap<Value, Tensor>,
) -> Result<(Vec<Vec<Source>>, Needs)> {
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    enum Memory {
        Value(Value),
        Scratch(usize),
    }
    let memory = |binding: &Binding| match binding.whole() {
        Binding::Value(value) if !tensors.contains_key(value) => {
            Some((Memory::Value(*value), value_bytes(graph, *value)))
        }
        Binding::Scratch(index) => Some((Memory::Scratch(*index), lowered.scratch[*index])),
        _ => None,
    };
    let mut index_of: HashMap<Memory, usize> = HashMap::new();
    let mut intervals: Vec<Interval> = Vec::new();
    for (at, dispatch) in lowered.dispatches.iter().enumerate() {
        for (memory, bytes) in dispatch.bindings.iter().filter_map(memory) {
            device.require_buffer("a value", bytes)?;
            let index = *index_of.entry(memory).or_insert_with(|| {
                intervals.push(Interval { first: at, last: at, bytes });
                intervals.len() - 1
            });
            intervals[index].last = at;
        }
    }
    // Other plans may use the arena between two evaluations, so what lasts is not there.
    let lasts = |interval: &Interval| interval.first < lowered.lasting && interval.last >= lowered.lasting;
    let kept = intervals
        .iter()
        .map(|interval| match lasts(interval) {
            true => GpuBuffer::new(device, "kept", interval.bytes).map(|buffer| Some(Rc::new(buffer))),
            false => Ok(None),
        })
        .collect::<Result<Vec<_>>>()?;
    intervals.iter_mut().filter(|interval| lasts(interval)).for_each(|interval| interval.bytes = 0);
    let (places, needs) = place(&intervals, device.max_buffer_bytes());
    let whole = |binding: &Binding| match (binding, memory(binding)) {
        (_, Some((memory, bytes))) => match &kept[index_of[&memory]] {
            Some(buffer) => Source::Own(pipelines::Range::all(buffer)),
            None => Source::Arena(places[index_of[&memory]], bytes.next_multiple_of(ALIGNMENT)),
        },
        (Binding::Value(value), None) => Source::Own(pipelines::Range::all(tensors[value].buffer())),
        (Binding::Buffer(buffer), None) => Source::Own(pipelines::Range::all(buffer)),
        _ => Source::Absent,
    };
    let source = |binding: &Binding| match (binding, whole(binding.whole())) {
        (Binding::Part { offset, bytes, .. }, whole) => whole.part(*offset, *bytes),
        (_, whole) => whole,
    };
    let sources =
        lowered.dispatches.iter().map(|dispatch| dispatch.bindings.iter().map(source).collect()).collect();
    Ok((sources, needs))
}
