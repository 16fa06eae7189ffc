//! Values: Burn tensors that are always f32 and contiguous, and handles to them that outlive an evaluation.

use std::cell::RefCell;
use std::rc::Rc;

use burn_backend::{DType, Shape, TensorData};
use burn_flex::{FlexTensor, Layout};

use crate::error::{Error, Result};

/// A handle to f32 values on the host. Clones share them.
#[derive(Clone)]
pub struct Tensor {
    value: Rc<RefCell<FlexTensor>>,
    elements: usize,
}

impl Tensor {
    pub(super) fn zeros(shape: &[usize]) -> Result<Self> {
        let elements = shape.iter().fold(1usize, |total, &extent| total.saturating_mul(extent));
        require_memory(elements)?;
        let value = from_values(vec![0.0; elements], shape);
        Ok(Self { value: Rc::new(RefCell::new(value)), elements })
    }

    pub(super) fn elements(&self) -> usize {
        self.elements
    }

    /// The current value. Shares memory until either side is written.
    pub(super) fn get(&self) -> FlexTensor {
        self.value.borrow().clone()
    }

    pub(super) fn set(&self, value: FlexTensor) {
        debug_assert_eq!(values(&value).len(), self.elements);
        *self.value.borrow_mut() = value;
    }

    pub(super) fn with_values_mut(&self, change: impl FnOnce(&mut [f32])) {
        change(values_mut(&mut self.value.borrow_mut()));
    }
}

/// Asks for room for `elements` values before they are needed: a failed allocation later would end the process.
pub(super) fn require_memory(elements: usize) -> Result<()> {
    Vec::<f32>::new()
        .try_reserve_exact(elements)
        .map_err(|error| Error::OutOfMemory { message: format!("{elements} values: {error}") })
}

/// A contiguous tensor around `values`, which fill `shape`.
pub(super) fn from_values(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape.to_vec())))
}

/// All elements of a contiguous tensor.
pub(super) fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

/// All elements of a contiguous tensor, to be changed in place. Copies first if the memory is shared.
pub(super) fn values_mut(tensor: &mut FlexTensor) -> &mut [f32] {
    tensor.storage_mut()
}

pub(super) fn shape(tensor: &FlexTensor) -> &[usize] {
    tensor.layout().shape().as_slice()
}

/// A matrix inside a tensor's memory. Moves nothing.
pub(super) fn matrix(
    tensor: &FlexTensor,
    offset: usize,
    shape: [usize; 2],
    strides: [usize; 2],
) -> FlexTensor {
    let strides = strides.iter().map(|&stride| stride as isize).collect();
    let layout = Layout::new(Shape::from(shape.to_vec()), strides, offset);
    FlexTensor::from_arc(tensor.data_arc(), layout, DType::F32)
}
