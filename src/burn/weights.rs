//! A model's parameters on the host: collected in their stored form, kept as f32.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use burn_flex::FlexTensor;

use super::columns::{columns_from_bytes, columns_from_stored, stored_from_columns};
use super::tensor::{from_values, require_memory};
use crate::error::{Error, Result};
use crate::weights::{TensorInfo, dequantise};

/// A model's parameters. Plans of the same weights share their memory.
pub struct Weights {
    parameters: Vec<Parameter>,
    by_name: HashMap<String, usize>,
}

struct Parameter {
    info: TensorInfo,
    state: State,
}

enum State {
    /// Bytes of the stored form and the ranges of them that have come, in order and apart from each other.
    Arriving {
        bytes: Vec<u8>,
        arrived: Vec<Range<usize>>,
    },
    Complete(Box<RefCell<Layouts>>),
}

/// One parameter in the layouts that operations have asked for. The first is made of the bytes, which are then dropped;
/// from there on, whichever is not in use is dropped, and made again from the other when needed.
struct Layouts {
    bytes: Vec<u8>,
    stored: Option<FlexTensor>,
    columns: Option<FlexTensor>,
}

impl Weights {
    pub(super) fn new(tensors: &[TensorInfo]) -> Result<Self> {
        // Wasm's memory then grows once: to grow it by each tensor takes about as long as to fill it. Whether there is room is
        // asked again where it is needed.
        let _ =
            require_memory(tensors.iter().filter_map(TensorInfo::elements).fold(0, usize::saturating_add));
        let mut by_name = HashMap::with_capacity(tensors.len());
        let mut parameters = Vec::with_capacity(tensors.len());
        for (index, info) in tensors.iter().enumerate() {
            if most_elements(info).is_none() {
                let message =
                    format!("tensor {} of shape {:?} exceeds the address space", info.name, info.shape);
                return Err(Error::InvalidManifest { message });
            }
            if by_name.insert(info.name.clone(), index).is_some() {
                return Err(Error::InvalidManifest {
                    message: format!("tensor {} is listed twice", info.name),
                });
            }
            let state = State::Arriving { bytes: Vec::new(), arrived: Vec::new() };
            parameters.push(Parameter { info: info.clone(), state });
        }
        Ok(Self { parameters, by_name })
    }

    pub(super) fn push(&mut self, tensor: usize, offset: u64, chunk: &[u8]) -> Result<()> {
        let count = self.parameters.len();
        let Some(parameter) = self.parameters.get_mut(tensor) else {
            let message = format!("there are {count} tensors; number {tensor} was written");
            return Err(Error::InvalidManifest { message });
        };
        parameter.push(offset, chunk)
    }

    /// The values of parameter `name` in their stored order.
    pub(super) fn stored(&self, name: &str, shape: &[usize]) -> Result<FlexTensor> {
        let (info, layouts) = self.complete(name, shape)?;
        layouts.borrow_mut().stored(info)
    }

    /// The values of parameter `name` as columns.
    pub(super) fn columns(&self, name: &str, shape: &[usize]) -> Result<FlexTensor> {
        let (info, layouts) = self.complete(name, shape)?;
        layouts.borrow_mut().columns(info)
    }

    /// Whether parameter `name` is there in `shape`.
    pub(super) fn require(&self, name: &str, shape: &[usize]) -> Result<()> {
        self.complete(name, shape).map(|_| ())
    }

    fn complete(&self, name: &str, shape: &[usize]) -> Result<(&TensorInfo, &RefCell<Layouts>)> {
        let missing = || Error::MissingTensor { tensor: name.to_owned() };
        let parameter = &self.parameters[*self.by_name.get(name).ok_or_else(missing)?];
        if parameter.info.shape != shape {
            return Err(Error::TensorShape {
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                actual: parameter.info.shape.clone(),
            });
        }
        match &parameter.state {
            State::Arriving { .. } => Err(missing()),
            State::Complete(layouts) => Ok((&parameter.info, layouts)),
        }
    }
}

impl Parameter {
    fn push(&mut self, offset: u64, chunk: &[u8]) -> Result<()> {
        let name = &self.info.name;
        let stored_bytes = self.info.stored_bytes().unwrap_or(0) as usize;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let end = start.checked_add(chunk.len()).filter(|&end| end <= stored_bytes).ok_or_else(|| {
            let message =
                format!("tensor {name} has {stored_bytes} bytes; {} were written at {offset}", chunk.len());
            Error::InvalidManifest { message }
        })?;
        if chunk.is_empty() {
            return Ok(());
        }
        let State::Arriving { bytes, arrived } = &mut self.state else {
            return Err(Error::InvalidManifest { message: format!("tensor {name} was already complete") });
        };
        if bytes.is_empty() {
            // Room for the values too: both are there for a moment.
            require_memory(most_elements(&self.info).unwrap_or(usize::MAX))?;
            bytes.resize(stored_bytes, 0);
        }
        bytes[start..end].copy_from_slice(chunk);
        insert(arrived, start..end);
        if arrived.first() == Some(&(0..stored_bytes)) {
            let mut layouts = Layouts { bytes: std::mem::take(bytes), stored: None, columns: None };
            // Convolutions want nothing else. Made now, they let go of the bytes, and nobody waits for them in the end; without room
            // they are made when a plan asks, which then says so.
            if self.info.shape.len() == 4 {
                let _ = layouts.columns(&self.info);
            }
            self.state = State::Complete(Box::new(RefCell::new(layouts)));
        }
        Ok(())
    }
}

impl Layouts {
    fn stored(&mut self, info: &TensorInfo) -> Result<FlexTensor> {
        if let Some(stored) = &self.stored {
            return Ok(stored.clone());
        }
        require_memory(info.elements().unwrap_or(usize::MAX))?;
        let stored = match &self.columns {
            Some(columns) => stored_from_columns(columns),
            None => from_values(dequantise(info, &self.bytes), &info.shape),
        };
        self.bytes = Vec::new();
        self.columns.take_if(|columns| columns.is_unique());
        Ok(self.stored.insert(stored).clone())
    }

    fn columns(&mut self, info: &TensorInfo) -> Result<FlexTensor> {
        if let Some(columns) = &self.columns {
            return Ok(columns.clone());
        }
        require_memory(info.elements().unwrap_or(usize::MAX))?;
        let columns = match &self.stored {
            Some(stored) => columns_from_stored(stored),
            None => columns_from_bytes(info, &self.bytes),
        };
        self.bytes = Vec::new();
        self.stored.take_if(|stored| stored.is_unique());
        Ok(self.columns.insert(columns).clone())
    }
}

/// Elements of f32 that a tensor takes while both its stored form and its values are there; `None` if that exceeds the
/// address space.
fn most_elements(info: &TensorInfo) -> Option<usize> {
    let stored = usize::try_from(info.stored_bytes()?).ok()?;
    stored.div_ceil(4).checked_add(info.elements()?)
}

/// Adds a range to others, joining those that touch.
fn insert(ranges: &mut Vec<Range<usize>>, mut added: Range<usize>) {
    ranges.retain(|range| {
        let apart = range.end < added.start || added.end < range.start;
        if !apart {
            added = added.start.min(range.start)..added.end.max(range.end);
        }
        apart
    });
    let at = ranges.partition_point(|range| range.start < added.start);
    ranges.insert(at, added);
}
