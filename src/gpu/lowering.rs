//! Dispatches as they gather: where operands are, scratch memory, and tensors too large for one binding.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::rc::Rc;

use super::buffer::GpuBuffer;
use super::device::Device;
use super::fusion::Step;
use super::kernels::sum_parts::Unsummed;
use super::kernels::{ALIGNED, Binding, Dispatch, MAX_WORKGROUPS, Source, Strided, conv2d, reduce, unary};
use super::storage::{Storage, value_bytes};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, Value};

/// A graph as dispatches over values and scratch memory.
#[derive(Default)]
pub struct Lowered {
    pub dispatches: Vec<Dispatch>,
    /// Bytes of each [`Binding::Scratch`].
    pub scratch: Vec<u64>,
    /// How many of the dispatches, the first, are of what lasts from one evaluation to the next.
    pub lasting: usize,
    /// How many of the dispatches there were after each step; those beyond are copies to outputs.
    step_ends: Vec<usize>,
}

impl Lowered {
    /// Says that the dispatches since the last call are the next step's.
    pub fn note_step(&mut self) {
        self.step_ends.push(self.dispatches.len());
    }

    /// The dispatches of the step of that index.
    pub fn of_step(&self, step: usize) -> Range<usize> {
        let start = step.checked_sub(1).map_or(0, |before| self.step_ends[before]);
        start..self.step_ends[step]
    }
}

/// A graph on its way to [`Lowered`].
pub struct Lowering<'a> {
    pub device: &'a Device,
    pub graph: &'a Graph,
    pub storage: &'a Storage,
    pub weights: &'a Weights,
    /// Convolutions that go by Winograd's algorithm.
    pub winograd: &'a HashSet<Value>,
    /// Concatenations that are never made: their readers take the two parts where they are.
    pub apart: HashSet<Value>,
    /// The step after the one that is lowered, of those that do something.
    pub next: Option<&'a Step>,
    /// How many steps and outputs read a value, by index.
    pub reads: Vec<usize>,
    /// The result of the step before where that is a product's sums in parts, which the step that is lowered adds up.
    pub unsummed: Option<Unsummed>,
    /// Results that lie among others in the rows of one product.
    pub strided: HashMap<Value, Strided>,
    /// The rows of products that were looked up, with the memory of the ids and of all rows.
    pub looked_up: Vec<(Binding, Binding, Binding)>,
    pub done: Lowered,
}

impl Lowering<'_> {
    /// Where the elements of `value` are.
    pub fn read(&self, value: Value) -> Binding {
        let owner = self.storage.owner(value);
        match &self.graph.node(owner).op {
            Op::Parameter { name } => self.weights.plain(name).map_or(Binding::Absent, Binding::Buffer),
            _ => Binding::Value(owner),
        }
    }

    /// The same for a reader that takes two parts.
    pub fn source(&self, value: Value) -> Source {
        let owner = self.storage.owner(value);
        if !self.apart.contains(&owner) {
            return Source { x: self.read(value), second: None };
        }
        let parts = &self.graph.node(owner).operands;
        let channels = self.graph.shape(parts[0]).last().copied().unwrap_or(1);
        Source { x: self.read(parts[0]), second: Some((self.read(parts[1]), channels)) }
    }

    /// The values that are read where `value` is: itself, or both parts of a concatenation that is never made.
    pub fn values_of(&self, value: Value) -> Vec<Value> {
        let owner = self.storage.owner(value);
        match self.apart.contains(&owner) {
            true => self.graph.node(owner).operands.iter().map(|&part| self.storage.owner(part)).collect(),
            false => vec![owner],
        }
    }

    /// The same for a reader that takes rows among others.
    pub fn rows_of(&self, value: Value) -> Strided {
        let stride = self.graph.shape(value).last().copied().unwrap_or(1);
        let alone = || Strided { binding: self.read(value), first: 0, stride };
        self.strided.get(&self.storage.owner(value)).cloned().unwrap_or_else(alone)
    }

    pub fn scratch(&mut self, bytes: u64) -> Binding {
        self.done.scratch.push(bytes);
        Binding::Scratch(self.done.scratch.len() - 1)
    }

    /// The same if a binding can hold so much.
    pub fn scratch_in_a_binding(&mut self, bytes: u64) -> Option<Binding> {
        (bytes <= self.device.max_binding_bytes()).then(|| self.scratch(bytes))
    }

    pub fn constants(&self, bytes: &[u8]) -> Result<Binding> {
        let buffer = GpuBuffer::new(self.device, "constants", bytes.len() as u64)?;
        self.device.queue().write_buffer(buffer.raw(), 0, bytes);
        Ok(Binding::Buffer(Rc::new(buffer)))
    }

    /// Adds a dispatch. WebGPU refuses two writable bindings of the same memory, and every binding of a value is, so
    /// an operand that comes twice is copied.
    pub fn push(&mut self, mut dispatch: Dispatch) -> Result<()> {
        if let Some(&count) = dispatch.workgroups.iter().find(|count| **count as usize > MAX_WORKGROUPS) {
            return Err(Error::LimitTooSmall {
                limit: "maxComputeWorkgroupsPerDimension".to_owned(),
                required: u64::from(count),
                available: MAX_WORKGROUPS as u64,
            });
        }
        let variant = conv2d::computing(dispatch.variant, self.device.arithmetic())
            .suited(self.device.has_many_threads());
        dispatch.variant = reduce::by_subgroups(variant, self.device.subgroup());
        for index in 0..dispatch.bindings.len() {
            let binding = dispatch.bindings[index].clone();
            let bytes = self.bytes(&binding);
            let name = format!("{:?}", dispatch.variant.kernel);
            self.device.require_binding(&name, bytes)?;
            if dispatch.bindings[..index].iter().any(|earlier| same_memory(earlier, &binding)) {
                let copy = self.scratch(bytes);
                let bindings = [binding, copy.clone()];
                self.done.dispatches.push(unary::dispatch(bytes as usize / 4, None, [1.0, 0.0], bindings));
                dispatch.bindings[index] = copy;
            }
        }
        self.done.dispatches.push(dispatch.of_a_plan());
        Ok(())
    }

    /// Dispatches over rows that several bindings hold side by side, `(binding, elements of a row)`, as few at a time as fit.
    pub fn by_rows<const N: usize>(
        &mut self,
        rows: usize,
        bindings: [(Binding, usize); N],
        dispatch: impl Fn(Range<usize>, [Binding; N]) -> Dispatch,
    ) -> Result<()> {
        let width = bindings.iter().map(|(_, width)| *width).max().unwrap_or(1);
        let fits = |run: &Range<usize>| {
            bindings.iter().all(|(binding, width)| self.fits(binding, run.len() * width))
        };
        for run in self.runs(rows, width, fits)? {
            let shown = bindings.clone().map(|(binding, width)| {
                if run.len() == rows { binding } else { elements_of(&binding, &run, width) }
            });
            self.push(dispatch(run, shown))?;
        }
        Ok(())
    }

    /// Cuts `rows` into runs that fit, each from an aligned row on: one run if it fits as a whole. `width` is the largest row, in elements.
    pub fn runs(
        &self,
        rows: usize,
        width: usize,
        fits: impl Fn(&Range<usize>) -> bool,
    ) -> Result<Vec<Range<usize>>> {
        if fits(&(0..rows)) {
            return Ok(std::iter::once(0..rows).collect());
        }
        let limit = self.device.max_binding_bytes() as usize;
        let mut step = limit / (4 * width) / ALIGNED * ALIGNED;
        loop {
            if step < ALIGNED {
                self.device.require_binding("a run of rows", 4 * (rows * width) as u64)?;
            }
            let runs: Vec<Range<usize>> =
                (0..rows).step_by(step).map(|first| first..(first + step).min(rows)).collect();
            if runs.iter().all(&fits) {
                return Ok(runs);
            }
            step = step / 2 / ALIGNED * ALIGNED;
        }
    }

    /// Whether `elements` of a binding fit one: all of it, or that many of it.
    pub fn fits(&self, binding: &Binding, elements: usize) -> bool {
        4 * elements as u64 <= self.device.max_binding_bytes()
            || self.bytes(binding) <= self.device.max_binding_bytes()
    }

    fn bytes(&self, binding: &Binding) -> u64 {
        match binding {
            Binding::Value(value) => value_bytes(self.graph, *value),
            Binding::Scratch(index) => self.done.scratch[*index],
            Binding::Buffer(buffer) => buffer.bytes(),
            Binding::Absent => 0,
            Binding::Part { bytes, .. } => *bytes,
        }
    }
}

/// Rows `run` of a binding, `width` elements each.
pub fn elements_of(binding: &Binding, run: &Range<usize>, width: usize) -> Binding {
    binding.part(run.start * width..run.end * width)
}

pub fn same_memory(a: &Binding, b: &Binding) -> bool {
    match (a.whole(), b.whole()) {
        (Binding::Value(a), Binding::Value(b)) => a == b,
        (Binding::Scratch(a), Binding::Scratch(b)) => a == b,
        (Binding::Buffer(a), Binding::Buffer(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}
