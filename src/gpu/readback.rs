//! Tensors on their way to the host: awaited, or through a ring of two buffers that nobody waits for.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::buffer::{GpuBuffer, Tensor};
use super::device::Device;
use super::signal::Signal;
use crate::error::Result;

type Mapped = Signal<Result<(), wgpu::BufferAsyncError>>;

/// Buffers of the ring.
const RING: usize = 2;

/// The ring.
#[derive(Default)]
pub struct Ring(RefCell<[Rc<Slot>; RING]>);

#[derive(Default)]
struct Slot {
    /// Made when first needed, and again when a larger tensor comes.
    staging: RefCell<Option<GpuBuffer>>,
    busy: Cell<bool>,
}

/// A copy that has begun. Dropped, it frees its place in the ring whether it has arrived or not.
pub struct Readback {
    slot: Rc<Slot>,
    bytes: u64,
    mapped: Mapped,
}

impl Drop for Readback {
    fn drop(&mut self) {
        // Unmapping also gives up a mapping that has not come yet.
        if let Some(staging) = &*self.slot.staging.borrow() {
            staging.raw().unmap();
        }
        self.slot.busy.set(false);
    }
}

impl Ring {
    /// Starts copying `tensors`, if a place is free.
    pub fn begin(&self, device: &Device, tensors: &[&Tensor]) -> Option<Readback> {
        let slot = self.0.borrow().iter().find(|slot| !slot.busy.get())?.clone();
        let bytes = bytes_of(tensors);
        let mut staging = slot.staging.borrow_mut();
        let fits = staging.as_ref().is_some_and(|staging| staging.bytes() >= bytes);
        if !fits {
            *staging = None;
        }
        let mapped = copy_and_map(device, tensors, staging.get_or_insert_with(|| mappable(device, bytes)));
        drop(staging);
        slot.busy.set(true);
        Some(Readback { slot, bytes, mapped })
    }

    /// Begins with new buffers, after an allocation failed: there may be none behind those that were made.
    pub fn release(&self) {
        self.0.take();
    }
}

impl Readback {
    /// The values, if they have arrived. They are handed over once.
    pub async fn values(&mut self, device: &Device) -> Result<Option<Vec<f32>>> {
        device.poll();
        let Some(mapped) = self.mapped.take() else {
            device.check()?;
            return Ok(None);
        };
        if mapped.is_err() {
            return Err(device.refused_mapping().await);
        }
        device.check()?;
        let values = self.slot.staging.borrow().as_ref().and_then(|staging| floats(staging, self.bytes));
        match values {
            Some(values) => Ok(Some(values)),
            None => Err(device.refused_mapping().await),
        }
    }
}

/// A tensor's values, after everything submitted so far.
pub async fn read(device: &Device, tensor: &Tensor) -> Result<Vec<f32>> {
    device.check()?;
    let bytes = bytes_of(&[tensor]);
    let staging = mappable(device, bytes);
    let mapped = copy_and_map(device, &[tensor], &staging);
    let arrived = device.arrival(&mapped).await?;
    if arrived.is_err() {
        return Err(device.refused_mapping().await);
    }
    device.settled_check().await?;
    let Some(values) = floats(&staging, bytes) else {
        return Err(device.refused_mapping().await);
    };
    staging.raw().unmap();
    Ok(values)
}

fn mappable(device: &Device, bytes: u64) -> GpuBuffer {
    GpuBuffer::with_usage(device, "staging", bytes, wgpu::BufferUsages::MAP_READ)
}

fn bytes_of(tensors: &[&Tensor]) -> u64 {
    tensors.iter().map(|tensor| 4 * tensor.elements() as u64).sum()
}

fn copy_and_map(device: &Device, tensors: &[&Tensor], staging: &GpuBuffer) -> Mapped {
    let mut encoder = device.encoder();
    let mut bytes = 0;
    for tensor in tensors {
        let of_tensor = bytes_of(&[tensor]);
        encoder.copy_buffer_to_buffer(tensor.buffer().raw(), 0, staging.raw(), bytes, of_tensor);
        bytes += of_tensor;
    }
    device.submit(vec![encoder.finish()]);
    let mapped = Mapped::new();
    let signal = mapped.clone();
    staging.raw().map_async(wgpu::MapMode::Read, 0..bytes, move |result| signal.set(result));
    mapped
}

/// What a mapped buffer holds; nothing where the mapping went with the device.
fn floats(staging: &GpuBuffer, bytes: u64) -> Option<Vec<f32>> {
    let view = staging.raw().get_mapped_range(0..bytes).ok()?;
    Some(view.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}
