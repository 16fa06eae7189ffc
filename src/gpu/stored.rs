//! A parameter as shards store it, in buffers of whole rows.

use std::ops::Range;
use std::rc::Rc;

use super::buffer::GpuBuffer;
use super::device::Device;
use super::kernels::conv2d::MatrixPiece;
use super::kernels::repack::{self, MatrixShape};
use super::kernels::{Binding, Dispatch, unpack};
use crate::error::Result;
use crate::weights::{DType, TensorInfo};

/// Some rows of a parameter, as stored.
#[derive(Debug)]
pub struct Piece {
    pub first_row: usize,
    pub rows: usize,
    pub buffer: Rc<GpuBuffer>,
}

/// A parameter as stored, in buffers of whole rows.
#[derive(Debug)]
pub struct Stored {
    pub dtype: DType,
    pub pieces: Vec<Piece>,
    /// For int8 one f32 a row, for int4 one f16 a group of a row.
    pub scales: Option<Rc<GpuBuffer>>,
    /// Bytes of the scales, and of those of a row.
    scale_bytes: [u64; 2],
    row_elements: usize,
}

/// A parameter in kernel layout.
#[derive(Debug)]
pub struct Matrix {
    pub dtype: DType,
    pub pieces: Vec<MatrixPiece>,
}

impl Stored {
    /// Room for a parameter, in as many buffers as it takes.
    pub fn new(device: &Device, info: &TensorInfo) -> Result<Self> {
        let (rows, step) = (info.rows(), rows_per_piece(device, info)?);
        let row_elements = row_elements(info);
        let make = |first_row: usize| {
            let rows = step.min(rows - first_row);
            let bytes = bytes_of(rows * row_elements, info.dtype).max(4);
            let buffer = GpuBuffer::new(device, &info.name, bytes)?;
            Ok(Piece { first_row, rows, buffer: Rc::new(buffer) })
        };
        let pieces = (0..rows).step_by(step).map(make).collect::<Result<Vec<_>>>()?;
        let row_scale_bytes = match info.dtype {
            DType::Int8 => 4,
            DType::Int4 => 2 * info.groups() as u64,
            DType::F32 | DType::F16 => 0,
        };
        let scale_bytes = info.scale_bytes().unwrap_or(0);
        let scales = match scale_bytes {
            0 => None,
            bytes => Some(Rc::new(GpuBuffer::new(device, &info.name, bytes)?)),
        };
        Ok(Self {
            dtype: info.dtype,
            pieces,
            scales,
            scale_bytes: [scale_bytes, row_scale_bytes],
            row_elements,
        })
    }

    /// Which bytes of the stored form each buffer holds.
    pub fn regions(&self) -> Vec<(Range<u64>, &GpuBuffer)> {
        let [elements, _] = self.scale_bytes;
        let mut regions = Vec::new();
        if let Some(scales) = &self.scales {
            regions.push((0..elements, scales.as_ref()));
        }
        for piece in &self.pieces {
            let bytes = |rows: usize| bytes_of(rows * self.row_elements, self.dtype);
            let start = elements + bytes(piece.first_row);
            regions.push((start..start + bytes(piece.rows).next_multiple_of(4), piece.buffer.as_ref()));
        }
        regions
    }

    /// The parameter in f32 and in diffusers' order, once `dispatches` have run.
    pub fn unpacked(
        &self,
        device: &Device,
        info: &TensorInfo,
        dispatches: &mut Vec<Dispatch>,
    ) -> Result<Rc<GpuBuffer>> {
        let bytes = 4 * info.elements().unwrap_or(0) as u64;
        let y = Rc::new(GpuBuffer::new(device, &info.name, bytes)?);
        dispatches.extend(self.pieces.iter().map(|piece| {
            let extents = [piece.first_row, piece.rows, self.row_elements];
            let bindings = [
                Binding::Buffer(piece.buffer.clone()),
                Binding::Buffer(y.clone()),
                self.scales.clone().map_or(Binding::Absent, Binding::Buffer),
            ];
            unpack::dispatch(extents, self.dtype, info.group_elements(), bindings)
        }));
        Ok(y)
    }

    /// Matrices in kernel layout side by side, `shape` in all, once `dispatches` have run. Each is one piece, of one storage type.
    pub fn repacked_side_by_side(
        device: &Device,
        shape: MatrixShape,
        members: &[(TensorInfo, Rc<Self>)],
        dispatches: &mut Vec<Dispatch>,
    ) -> Result<Matrix> {
        let (name, dtype) = (&members[0].0.name, members[0].1.dtype);
        let room = |bytes: u64| Ok(Rc::new(GpuBuffer::new(device, name, bytes)?));
        let packed = Binding::Buffer(room(shape.packed_bytes(dtype))?);
        let scales = match dtype {
            DType::Int8 => Some(room(4 * shape.outputs as u64)?),
            DType::Int4 => Some(room(shape.scales().packed_bytes(DType::F16))?),
            DType::F32 | DType::F16 => None,
        };
        let mut encoder = device.encoder();
        let mut row = 0;
        for (info, stored) in members {
            let part = MatrixShape { outputs: info.rows(), ..shape };
            let units = row / 4..row / 4 + part.output_units();
            let from = Binding::Buffer(stored.pieces[0].buffer.clone());
            dispatches.push(repack::dispatch_beside(
                part,
                dtype,
                from,
                packed.clone(),
                units.clone(),
                shape.output_units(),
            ));
            if let (Some(to), Some(from), DType::Int4) = (&scales, &stored.scales, dtype) {
                let [from, to] = [from, to].map(|buffer| Binding::Buffer(buffer.clone()));
                let row_units = shape.output_units();
                dispatches.push(repack::dispatch_beside(
                    part.scales(),
                    DType::F16,
                    from,
                    to,
                    units,
                    row_units,
                ));
            } else if let (Some(to), Some(from)) = (&scales, &stored.scales) {
                let bytes = 4 * part.outputs as u64;
                encoder.copy_buffer_to_buffer(from.raw(), 0, to.raw(), 4 * row as u64, bytes);
            }
            row += part.outputs;
        }
        device.submit(vec![encoder.finish()]);
        let scales = scales.map_or(Binding::Absent, Binding::Buffer);
        Ok(Matrix { dtype, pieces: vec![MatrixPiece { first_output: 0, shape, packed, scales }] })
    }

    /// Vectors in f32, one after the other, once `dispatches` have run. All are stored as f32 or f16.
    pub fn unpacked_in_a_row(
        device: &Device,
        shape: MatrixShape,
        members: &[(TensorInfo, Rc<Self>)],
        dispatches: &mut Vec<Dispatch>,
    ) -> Result<Rc<GpuBuffer>> {
        let y = Rc::new(GpuBuffer::new(device, &members[0].0.name, 4 * shape.outputs as u64)?);
        let mut row = 0;
        for (info, stored) in members {
            let bindings = [
                Binding::Buffer(stored.pieces[0].buffer.clone()),
                Binding::Buffer(y.clone()),
                Binding::Absent,
            ];
            dispatches.push(unpack::dispatch([row, info.rows(), 1], stored.dtype, 1, bindings));
            row += info.rows();
        }
        Ok(y)
    }

    /// The parameter in kernel layout, once `dispatches` have run.
    pub fn repacked(
        &self,
        device: &Device,
        name: &str,
        shape: MatrixShape,
        dispatches: &mut Vec<Dispatch>,
    ) -> Result<Matrix> {
        let make = |piece: &Piece| {
            let shape = MatrixShape { outputs: piece.rows, ..shape };
            let packed = Rc::new(GpuBuffer::new(device, name, shape.packed_bytes(self.dtype))?);
            let packed = Binding::Buffer(packed);
            let stored = Binding::Buffer(piece.buffer.clone());
            dispatches.push(repack::dispatch(shape, self.dtype, stored, packed.clone()));
            let scales = match &self.scales {
                None => Binding::Absent,
                Some(scales) if self.pieces.len() == 1 => Binding::Buffer(scales.clone()),
                Some(scales) => {
                    let [_, row_bytes] = self.scale_bytes;
                    let bytes = (row_bytes * piece.rows as u64).next_multiple_of(4);
                    let part = GpuBuffer::new(device, name, bytes)?;
                    let mut encoder = device.encoder();
                    let from = row_bytes * piece.first_row as u64;
                    encoder.copy_buffer_to_buffer(scales.raw(), from, part.raw(), 0, bytes);
                    device.submit(vec![encoder.finish()]);
                    Binding::Buffer(Rc::new(part))
                }
            };
            let scales = match self.dtype {
                DType::Int4 => {
                    let bytes = shape.scales().packed_bytes(DType::F16);
                    let packed = Binding::Buffer(Rc::new(GpuBuffer::new(device, name, bytes)?));
                    dispatches.push(repack::dispatch(shape.scales(), DType::F16, scales, packed.clone()));
                    packed
                }
                _ => scales,
            };
            Ok(MatrixPiece { first_output: piece.first_row, shape, packed, scales })
        };
        let pieces = self.pieces.iter().map(make).collect::<Result<Vec<_>>>()?;
        Ok(Matrix { dtype: self.dtype, pieces })
    }
}

fn bytes_of(elements: usize, dtype: DType) -> u64 {
    (elements as u64 * dtype.bits()).div_ceil(8)
}

fn row_elements(info: &TensorInfo) -> usize {
    info.elements().unwrap_or(0) / info.rows().max(1)
}

/// Rows of a tensor that fit one binding, both as stored and padded for a kernel; a multiple of 4 if not all, or of 8 for int4, so
/// that pieces begin at whole words and whole units of outputs.
pub fn rows_per_piece(device: &Device, info: &TensorInfo) -> Result<usize> {
    let taps: usize = info.shape.get(2..).unwrap_or_default().iter().product();
    let channels = row_elements(info) / taps.max(1);
    let padded = (channels.next_multiple_of(4) * taps.max(1)) as u64;
    let row_bits = padded * info.dtype.bits();
    let rows = info.rows();
    let fitting = 8 * device.max_binding_bytes() / row_bits.max(1);
    if rows.next_multiple_of(4) as u64 <= fitting {
        return Ok(rows);
    }
    let step = if info.dtype == DType::Int4 { 8 } else { 4 };
    match fitting / step * step {
        0 => {
            device.require_binding(&info.name, step * row_bits / 8)?;
            Ok(rows)
        }
        fitting => Ok(fitting as usize),
    }
}
