//! A model's parameters on the device: as stored, until a plan asks for the form that its kernels want.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::buffer::GpuBuffer;
use super::device::Device;
use super::kernels::repack::{self, MatrixShape};
use super::kernels::{Binding, Dispatch, Variant, unpack, winograd};
use super::pipelines::Pipelines;
use super::stored::{Matrix, Stored, rows_per_piece};
use crate::error::{Error, Result};
use crate::weights::{DType, TensorInfo};

/// How a plan uses a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// Of a product: in kernel layout, in its storage type.
    Matrix(MatrixShape),
    /// Of a convolution of 3 x 3: transformed for [`winograd`](super::kernels::winograd).
    Winograd(MatrixShape),
    /// Rows looked up: as stored.
    Table,
    /// Anything else: f32 in diffusers' order.
    Plain,
}

/// Linear maps of one value, their matrices in kernel layout side by side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JointForm {
    /// Names, in order; of one storage type, each with a multiple of four outputs.
    pub weights: Vec<String>,
    /// One for each weight, or none.
    pub biases: Vec<String>,
    /// Of all together.
    pub shape: MatrixShape,
}

/// A [`JointForm`] on the device.
#[derive(Debug)]
pub struct JointMatrix {
    pub matrix: Matrix,
    pub bias: Option<Rc<GpuBuffer>>,
}

struct Parameter {
    info: TensorInfo,
    received: u64,
    stored: Option<Rc<Stored>>,
    /// Whether `stored` stays when other forms are made: a plan looks rows up in it.
    is_table: bool,
    matrices: HashMap<MatrixShape, Rc<Matrix>>,
    plain: Option<Rc<GpuBuffer>>,
    winograd: Option<Rc<GpuBuffer>>,
}

/// A model's parameters. Plans share what they use of it.
pub struct Weights {
    parameters: RefCell<Vec<Parameter>>,
    by_name: HashMap<String, usize>,
    joints: RefCell<HashMap<JointForm, Rc<JointMatrix>>>,
    /// Why some forms could not be made. What they should have been made from may be gone, so no plan can be made any more.
    failure: RefCell<Option<Error>>,
}

/// Bytes of parameters that may be on the device twice while they change form.
const BATCH_BYTES: u64 = 64 << 20;

impl Weights {
    /// Room for `tensors`.
    ///
    /// Errors: a name comes twice, a tensor is empty or too large to address, or one row of it exceeds a binding.
    pub fn new(device: &Device, tensors: &[TensorInfo]) -> Result<Self> {
        let mut by_name = HashMap::new();
        for (index, info) in tensors.iter().enumerate() {
            if by_name.insert(info.name.clone(), index).is_some() {
                return Err(Error::InvalidManifest { message: format!("tensor {} comes twice", info.name) });
            }
            if info.stored_bytes().is_none_or(|bytes| bytes == 0 || info.elements() == Some(0)) {
                let message = format!("tensor {} has no usable shape: {:?}", info.name, info.shape);
                return Err(Error::InvalidManifest { message });
            }
            rows_per_piece(device, info)?;
        }
        let make = |info: &TensorInfo| {
            Ok(Parameter {
                info: info.clone(),
                received: 0,
                stored: Some(Rc::new(Stored::new(device, info)?)),
                is_table: false,
                matrices: HashMap::new(),
                plain: None,
                winograd: None,
            })
        };
        let parameters = tensors.iter().map(make).collect::<Result<Vec<_>>>()?;
        Ok(Self {
            parameters: RefCell::new(parameters),
            by_name,
            joints: RefCell::default(),
            failure: RefCell::default(),
        })
    }

    /// Writes `bytes` of a stored form at `offset` of it.
    pub fn push(&mut self, device: &Device, tensor: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        let parameters = self.parameters.get_mut();
        let count = parameters.len();
        let Some(parameter) = parameters.get_mut(tensor) else {
            return Err(Error::InvalidManifest {
                message: format!("there is no tensor {tensor} of {count}"),
            });
        };
        let name = &parameter.info.name;
        let (len, size) = (bytes.len() as u64, parameter.info.stored_bytes().unwrap_or(0));
        let end = offset.checked_add(len).filter(|end| *end <= size);
        if !offset.is_multiple_of(4) || !len.is_multiple_of(4) || end.is_none() {
            let message = format!("tensor {name}: {len} bytes at {offset} are no aligned part of its {size}");
            return Err(Error::InvalidManifest { message });
        }
        let Some(stored) = &parameter.stored else {
            return Err(Error::Disposed { what: format!("the stored form of tensor {name}") });
        };
        for (region, buffer) in stored.regions() {
            let (from, to) = (offset.max(region.start), (offset + len).min(region.end));
            if from < to {
                let part = &bytes[(from - offset) as usize..(to - offset) as usize];
                device.queue().write_buffer(buffer.raw(), from - region.start, part);
            }
        }
        parameter.received += len;
        Ok(())
    }

    /// Reports that forms could not be made, as often as it is asked.
    pub fn check(&self) -> Result<()> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Checks that a parameter is there, whole, in a shape that has `shape`'s extents.
    pub fn require(&self, name: &str, shape: &[usize]) -> Result<()> {
        let missing = || Error::MissingTensor { tensor: name.to_owned() };
        let index = *self.by_name.get(name).ok_or_else(missing)?;
        let parameter = &self.parameters.borrow()[index];
        if parameter.info.shape != shape {
            return Err(Error::TensorShape {
                tensor: name.to_owned(),
                expected: shape.to_vec(),
                actual: parameter.info.shape.clone(),
            });
        }
        if Some(parameter.received) < parameter.info.stored_bytes() {
            return Err(missing());
        }
        Ok(())
    }

    /// The pipelines that [`Weights::convert`] may need for parameters of these storage types.
    pub fn conversions(&self) -> Vec<(Variant, usize)> {
        let mut variants = Vec::new();
        for parameter in self.parameters.borrow().iter() {
            let dtype = parameter.info.dtype;
            let of_winograd = (dtype == DType::F32).then(sample_winograd);
            let of_scales = (dtype == DType::Int4).then(|| sample_repack(DType::F16));
            let always = [sample_repack(dtype), sample_unpack(dtype)];
            for dispatch in always.into_iter().chain(of_winograd).chain(of_scales) {
                let variant = (dispatch.variant, dispatch.bindings.len());
                if !variants.contains(&variant) {
                    variants.push(variant);
                }
            }
        }
        variants
    }

    /// Makes the forms that a plan uses and gives back the stored ones that nobody looks rows up in. The
    /// parameters have been required.
    pub async fn convert(
        &self,
        device: &Device,
        pipelines: &Pipelines,
        uses: &[(String, Form)],
        joints: &[JointForm],
    ) -> Result<()> {
        device.settled_check().await?;
        let made = self.make_forms(device, pipelines, uses, joints);
        let made = made.and(device.settled_check().await);
        if let Err(error) = &made {
            *self.failure.borrow_mut() = Some(error.clone());
        }
        made
    }

    fn make_forms(
        &self,
        device: &Device,
        pipelines: &Pipelines,
        uses: &[(String, Form)],
        joints: &[JointForm],
    ) -> Result<()> {
        let mut forms: Vec<(usize, Vec<Form>)> = Vec::new();
        for (name, form) in uses {
            let index = self.by_name[name];
            match forms.iter_mut().find(|(other, _)| *other == index) {
                Some((_, list)) => list.push(*form),
                None => forms.push((index, vec![*form])),
            }
        }
        let mut batch = Batch::default();
        for (index, list) in forms {
            let parameter = &mut self.parameters.borrow_mut()[index];
            for form in list {
                parameter.make(device, form, &mut batch)?;
            }
            if !parameter.is_table {
                batch.freed.extend(parameter.stored.take());
            }
            if batch.bytes > BATCH_BYTES {
                batch.run(device, pipelines)?;
            }
        }
        for joint in joints {
            self.make_joint(device, joint, &mut batch)?;
            if batch.bytes > BATCH_BYTES {
                batch.run(device, pipelines)?;
            }
        }
        batch.run(device, pipelines)
    }

    fn make_joint(&self, device: &Device, form: &JointForm, batch: &mut Batch) -> Result<()> {
        if self.joints.borrow().contains_key(form) {
            return Ok(());
        }
        let mut take = |names: &[String]| -> Result<Vec<(TensorInfo, Rc<Stored>)>> {
            names
                .iter()
                .map(|name| {
                    let parameter = &mut self.parameters.borrow_mut()[self.by_name[name]];
                    let stored = parameter.stored.clone();
                    let stored = stored.ok_or_else(|| used_otherwise(name, "one of several side by side"))?;
                    batch.bytes += parameter.info.stored_bytes().unwrap_or(0);
                    if !parameter.is_table {
                        batch.freed.extend(parameter.stored.take());
                    }
                    Ok((parameter.info.clone(), stored))
                })
                .collect()
        };
        let (weights, biases) = (take(&form.weights)?, take(&form.biases)?);
        let joint = JointMatrix {
            matrix: Stored::repacked_side_by_side(device, form.shape, &weights, &mut batch.dispatches)?,
            bias: match biases.is_empty() {
                true => None,
                false => Some(Stored::unpacked_in_a_row(device, form.shape, &biases, &mut batch.dispatches)?),
            },
        };
        self.joints.borrow_mut().insert(form.clone(), Rc::new(joint));
        Ok(())
    }

    /// Whether all rows of a parameter are in one piece.
    pub fn is_whole(&self, device: &Device, name: &str) -> bool {
        let Some(&index) = self.by_name.get(name) else { return false };
        let info = &self.parameters.borrow()[index].info;
        rows_per_piece(device, info).is_ok_and(|rows| rows == info.rows())
    }

    /// The storage type of a parameter.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        let index = *self.by_name.get(name)?;
        Some(self.parameters.borrow()[index].info.dtype)
    }

    /// A joint form that was converted to.
    pub fn joint(&self, form: &JointForm) -> Rc<JointMatrix> {
        self.joints.borrow()[form].clone()
    }

    /// A parameter that was converted to [`Form::Matrix`].
    pub fn matrix(&self, name: &str, shape: MatrixShape) -> Rc<Matrix> {
        self.parameters.borrow()[self.by_name[name]].matrices[&shape].clone()
    }

    /// A parameter that was converted to [`Form::Plain`].
    pub fn plain(&self, name: &str) -> Option<Rc<GpuBuffer>> {
        self.parameters.borrow()[self.by_name[name]].plain.clone()
    }

    /// A parameter that was converted to [`Form::Winograd`].
    pub fn winograd(&self, name: &str) -> Option<Rc<GpuBuffer>> {
        self.parameters.borrow()[self.by_name[name]].winograd.clone()
    }

    /// A parameter that was asked for as [`Form::Table`].
    pub fn table(&self, name: &str) -> Option<Rc<Stored>> {
        self.parameters.borrow()[self.by_name[name]].stored.clone()
    }
}

/// Conversions to run, and what they free.
#[derive(Default)]
struct Batch {
    dispatches: Vec<Dispatch>,
    freed: Vec<Rc<Stored>>,
    bytes: u64,
}

impl Batch {
    fn run(&mut self, device: &Device, pipelines: &Pipelines) -> Result<()> {
        let Self { dispatches, freed, .. } = std::mem::take(self);
        if !dispatches.is_empty() {
            pipelines.run_once(device, &dispatches)?;
        }
        drop(freed);
        Ok(())
    }
}

impl Parameter {
    /// Makes one form, unless it is there.
    fn make(&mut self, device: &Device, form: Form, batch: &mut Batch) -> Result<()> {
        let done = match form {
            Form::Table => self.is_table,
            Form::Plain => self.plain.is_some(),
            Form::Matrix(shape) => self.matrices.contains_key(&shape),
            Form::Winograd(_) => self.winograd.is_some(),
        };
        if done {
            return Ok(());
        }
        let name = &self.info.name;
        let Some(stored) = self.stored.clone() else {
            return Err(used_otherwise(name, &format!("{form:?}")));
        };
        batch.bytes += self.info.stored_bytes().unwrap_or(0);
        match form {
            Form::Table => self.is_table = true,
            // Already in that form.
            Form::Plain if stored.dtype == DType::F32 && stored.pieces.len() == 1 => {
                self.plain = Some(stored.pieces[0].buffer.clone());
            }
            Form::Plain => self.plain = Some(stored.unpacked(device, &self.info, &mut batch.dispatches)?),
            Form::Matrix(shape) => {
                let matrix = stored.repacked(device, name, shape, &mut batch.dispatches)?;
                self.matrices.insert(shape, Rc::new(matrix));
            }
            Form::Winograd(shape) => {
                let buffer = Rc::new(GpuBuffer::new(device, name, winograd::weight_bytes(shape))?);
                let [from, to] =
                    [&stored.pieces[0].buffer, &buffer].map(|buffer| Binding::Buffer(buffer.clone()));
                batch.dispatches.push(winograd::transform_weights(shape, from, to));
                self.winograd = Some(buffer);
            }
        }
        Ok(())
    }
}

fn used_otherwise(name: &str, form: &str) -> Error {
    let message =
        format!("parameter {name} is used as {form}, but an earlier plan used it in another form only");
    Error::InvalidGraph { message }
}

fn sample_repack(dtype: DType) -> Dispatch {
    let shape = MatrixShape::of(&[1, 1]);
    repack::dispatch(shape, dtype, Binding::Absent, Binding::Absent)
}

fn sample_winograd() -> Dispatch {
    winograd::transform_weights(MatrixShape::of(&[4, 4, 3, 3]), Binding::Absent, Binding::Absent)
}

fn sample_unpack(dtype: DType) -> Dispatch {
    unpack::dispatch([0, 1, 1], dtype, 1, [Binding::Absent, Binding::Absent, Binding::Absent])
}
