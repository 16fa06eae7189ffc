//! What a solver does to tensors, all commands that have no plan: checked, and bound with bind groups kept between
//! steps.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use super::buffer::{ALIGNMENT, GpuBuffer, Tensor};
use super::device::Device;
use super::executor::Gpu;
use super::kernels::combine::{self, OUT_SLOT, SlotTerm};
use super::kernels::{Variant, per_element, threshold};
use super::pipelines::{Bound, Pipelines, Range};
use super::sequence::Sequence;
use crate::error::{Error, Result};
use crate::executor::{Command, MAX_TERMS, Term};
use crate::solver::Thresholding;

/// A combination to run.
pub struct Combination<'a> {
    pub out: &'a Tensor,
    pub offset: usize,
    pub len: usize,
    pub terms: &'a [Term<'a, Tensor>],
    pub kind: Kind,
}

/// What is done besides, or instead.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Plain,
    /// Of [`Command::CombineRescaled`].
    Rescaled(f32),
    /// [`Command::Threshold`], of `out`; there are no terms.
    Threshold(Thresholding),
}

impl<'a> Combination<'a> {
    /// What a command comes to; `None`: the evaluation of a plan, or nothing.
    pub fn of(command: &'a Command<'a, Gpu>) -> Option<Self> {
        match command {
            Command::Combine { out, offset, len, terms } => {
                Some(Self { out, offset: *offset, len: *len, terms, kind: Kind::Plain })
            }
            Command::CombineRescaled { out, offset, len, terms, rescale } => {
                Some(Self { out, offset: *offset, len: *len, terms, kind: Kind::Rescaled(*rescale) })
            }
            Command::Threshold { estimate, len, thresholding } => {
                let kind = Kind::Threshold(*thresholding);
                Some(Self { out: estimate, offset: 0, len: *len, terms: &[], kind })
            }
            Command::Prepare(_) | Command::Evaluate(_) => None,
        }
        .filter(|combination| combination.len > 0)
    }

    fn variant(&self) -> Variant {
        match self.kind {
            Kind::Plain => combine::variant(false),
            Kind::Rescaled(_) => combine::variant(true),
            Kind::Threshold(_) => threshold::variant(),
        }
    }

    fn params(&self, terms: &[SlotTerm]) -> Vec<u32> {
        match self.kind {
            Kind::Plain => combine::params(self.len, self.offset, terms, 0.0),
            Kind::Rescaled(rescale) => combine::params(self.len, self.offset, terms, rescale),
            Kind::Threshold(thresholding) => threshold::params(self.len, thresholding),
        }
    }

    /// Operations: a multiplication and an addition a term.
    fn work(&self) -> u64 {
        2 * (self.len * self.terms.len().max(1)) as u64
    }

    /// One alone where all elements have to be known.
    fn workgroups(&self) -> [u32; 3] {
        match self.kind {
            Kind::Plain => per_element(self.len),
            Kind::Rescaled(_) | Kind::Threshold(_) => [1, 1, 1],
        }
    }
}

/// All that [`Combinations::bind`] may ask for, and how many storage bindings each has.
pub fn variants() -> [(Variant, usize); 3] {
    [combine::variant(false), combine::variant(true), threshold::variant()]
        .map(|variant| (variant, MAX_TERMS + 1))
}

/// Bind groups of combinations by place in the submission and by the memory they touch, and the parameters
/// of the submission in hand.
pub struct Combinations {
    params: Rc<GpuBuffer>,
    groups: RefCell<HashMap<(usize, Vec<*const GpuBuffer>), Group>>,
}

struct Group {
    group: wgpu::BindGroup,
    /// Keeps the addresses in the key from being used again while the entry stands.
    buffers: Vec<Weak<GpuBuffer>>,
}

/// Combinations of one submission, at most.
pub const MAX_COMBINATIONS: usize = 256;

impl Combinations {
    /// No bind groups yet.
    pub fn new(device: &Device) -> Self {
        let bytes = MAX_COMBINATIONS as u64 * ALIGNMENT;
        let params = GpuBuffer::with_usage(device, "combinations", bytes, wgpu::BufferUsages::UNIFORM);
        Self { params: Rc::new(params), groups: RefCell::default() }
    }

    /// Binds the combinations of a submission, and writes their parameters ahead of it.
    ///
    /// Errors: there are too many, or one has too many terms, reads or writes past an end, or reads `out` shifted over what it writes.
    pub fn bind(&self, device: &Device, pipelines: &Pipelines, list: &[Combination<'_>]) -> Result<Sequence> {
        if list.len() > MAX_COMBINATIONS {
            return Err(misuse("combinations in one submission", MAX_COMBINATIONS, list.len()));
        }
        let mut words: Vec<u32> = Vec::new();
        let mut bound = Vec::with_capacity(list.len());
        for (index, combination) in list.iter().enumerate() {
            let (tensors, terms) = slots(combination)?;
            words.extend(combination.params(&terms));
            words.resize((index + 1) * (ALIGNMENT / 4) as usize, 0);
            bound.push(Bound {
                pipeline: pipelines.get(&combination.variant()),
                group: self.group(device, pipelines, index, &tensors, combination.out),
                workgroups: combination.workgroups(),
            });
        }
        if !words.is_empty() {
            device.queue().write_buffer(self.params.raw(), 0, bytemuck::cast_slice(&words));
        }
        let work = list.iter().map(Combination::work).collect();
        Ok(Sequence::new(device, bound, work))
    }

    fn group(
        &self,
        device: &Device,
        pipelines: &Pipelines,
        index: usize,
        tensors: &[&Tensor],
        out: &Tensor,
    ) -> wgpu::BindGroup {
        let buffers = || tensors.iter().chain([&out]).map(|tensor| tensor.buffer());
        let key = (index, buffers().map(Rc::as_ptr).collect());
        if let Some(found) = self.groups.borrow().get(&key) {
            return found.group.clone();
        }
        let params =
            Range { buffer: self.params.clone(), offset: index as u64 * ALIGNMENT, bytes: ALIGNMENT };
        let mut ranges: Vec<Option<Range>> =
            tensors.iter().map(|tensor| Some(Range::all(tensor.buffer()))).collect();
        ranges.resize_with(MAX_TERMS, || None);
        ranges.push(Some(Range::all(out.buffer())));
        let group = pipelines.group(device, &params, &ranges, 0);
        let mut groups = self.groups.borrow_mut();
        groups.retain(|_, group| group.buffers.iter().all(|buffer| buffer.strong_count() > 0));
        groups.insert(key, Group { group: group.clone(), buffers: buffers().map(Rc::downgrade).collect() });
        group
    }
}

/// The tensors to bind, each once, and the terms by the slot that they read.
fn slots<'a>(combination: &Combination<'a>) -> Result<(Vec<&'a Tensor>, Vec<SlotTerm>)> {
    let Combination { out, offset, len, terms, .. } = *combination;
    if terms.len() > MAX_TERMS {
        return Err(misuse("terms", MAX_TERMS, terms.len()));
    }
    let inside = |tensor: &Tensor, offset: usize| {
        offset.checked_add(len).filter(|end| *end <= tensor.elements()).map(|_| ()).ok_or_else(|| {
            Error::ShapeMismatch {
                operation: "combine".to_owned(),
                expected: format!("a tensor that holds {len} elements from {offset}"),
                actual: format!("{:?}", tensor.shape()),
            }
        })
    };
    inside(out, offset)?;
    let mut tensors: Vec<&Tensor> = Vec::new();
    let mut slot_terms = Vec::with_capacity(terms.len());
    for term in terms {
        inside(term.tensor, term.offset)?;
        let slot = if Rc::ptr_eq(term.tensor.buffer(), out.buffer()) {
            if term.offset != offset && term.offset.abs_diff(offset) < len {
                return Err(Error::ShapeMismatch {
                    operation: "combine".to_owned(),
                    expected: "a term of `out` at the same offset, or apart from what is written".to_owned(),
                    actual: format!("offsets {} and {offset}, {len} elements", term.offset),
                });
            }
            OUT_SLOT
        } else {
            let known = tensors.iter().position(|other| Rc::ptr_eq(other.buffer(), term.tensor.buffer()));
            known.unwrap_or_else(|| {
                tensors.push(term.tensor);
                tensors.len() - 1
            })
        };
        slot_terms.push(SlotTerm { slot, offset: term.offset, coefficient: term.coefficient });
    }
    Ok((tensors, slot_terms))
}

fn misuse(what: &str, accepted: usize, actual: usize) -> Error {
    Error::ShapeMismatch {
        operation: "combine".to_owned(),
        expected: format!("at most {accepted} {what}"),
        actual: actual.to_string(),
    }
}
