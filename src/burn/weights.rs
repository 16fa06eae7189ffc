//! A model's parameters on the host: collected in their stored form, kept as f32.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

use burn_flex::FlexTensor;

use super::columns::{columns_from_stored, stored_from_columns};
use super::tensor::{from_values, require_memory, values};
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
    Complete(RefCell<Layouts>),
}

/// One parameter in the layouts that operations have asked for. Whichever is not in use is dropped, and made
/// again from the other when needed.
#[derive(Default)]
struct Layouts {
    stored: Option<FlexTensor>,
    columns: Option<FlexTensor>,
}

impl Weights {
    pub(super) fn new(tensors: &[TensorInfo]) -> Result<Self> {
        let mut by_name = HashMap::with_capacity(tensors.len());
        let mut parameters = Vec::with_capacity(tensors.len());
        for (index, info) in tensors.iter().enumerate() {
            if info.stored_bytes().and_then(|bytes| usize::try_from(bytes).ok()).is_none() {
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
        self.complete(name, shape)?.borrow_mut().stored()
    }

    /// The values of parameter `name` as columns.
    pub(super) fn columns(&self, name: &str, shape: &[usize]) -> Result<FlexTensor> {
        self.complete(name, shape)?.borrow_mut().columns()
    }

    /// Whether parameter `name` is there in `shape`.
    pub(super) fn require(&self, name: &str, shape: &[usize]) -> Result<()> {
        self.complete(name, shape).map(|_| ())
    }

    fn complete(&self, name: &str, shape: &[usize]) -> Result<&RefCell<Layouts>> {
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
            State::Complete(layouts) => Ok(layouts),
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
            require_memory(
                stored_bytes.div_ceil(4).saturating_add(self.info.elements().unwrap_or(usize::MAX)),
            )?;
            bytes.resize(stored_bytes, 0);
        }
        bytes[start..end].copy_from_slice(chunk);
        insert(arrived, start..end);
        if arrived.first() == Some(&(0..stored_bytes)) {
            let stored = from_values(dequantise(&self.info, bytes), &self.info.shape);
            self.state = State::Complete(RefCell::new(Layouts { stored: Some(stored), columns: None }));
        }
        Ok(())
    }
}

impl Layouts {
    fn stored(&mut self) -> Result<FlexTensor> {
        if let Some(stored) = &self.stored {
            return Ok(stored.clone());
        }
        let columns = self.columns.as_ref().expect("a complete parameter has a layout");
        require_memory(values(columns).len())?;
        let stored = stored_from_columns(columns);
        self.columns.take_if(|columns| columns.is_unique());
        Ok(self.stored.insert(stored).clone())
    }

    fn columns(&mut self) -> Result<FlexTensor> {
        if let Some(columns) = &self.columns {
            return Ok(columns.clone());
        }
        let stored = self.stored.as_ref().expect("a complete parameter has a layout");
        require_memory(values(stored).len())?;
        let columns = columns_from_stored(stored);
        self.stored.take_if(|stored| stored.is_unique());
        Ok(self.columns.insert(columns).clone())
    }
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
