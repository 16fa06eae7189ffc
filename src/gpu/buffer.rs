//! Device memory with an owner.

use std::rc::Rc;

use super::device::Device;
use crate::error::{Error, Result};

/// Every piece of memory that a shader sees begins and ends at a multiple of this: WebGPU's alignment of
/// bindings, and room for kernels that work on four elements at a time.
pub const ALIGNMENT: u64 = 256;

/// A buffer that is freed when dropped. In a browser dropping a handle frees nothing, so it is destroyed; work already
/// submitted still finishes.
#[derive(Debug)]
pub struct GpuBuffer {
    raw: wgpu::Buffer,
    #[cfg(feature = "native")]
    meter: Rc<Meter>,
}

/// Bytes of the buffers of one device: those there are, and the most there were at once.
#[cfg(feature = "native")]
#[derive(Debug, Default)]
pub struct Meter {
    held: std::cell::Cell<u64>,
    most: std::cell::Cell<u64>,
}

#[cfg(feature = "native")]
impl Meter {
    /// Bytes held now.
    pub fn held(&self) -> u64 {
        self.held.get()
    }

    /// The most bytes held at once.
    pub fn most(&self) -> u64 {
        self.most.get()
    }

    fn take(&self, bytes: u64) {
        self.held.set(self.held.get() + bytes);
        self.most.set(self.most.get().max(self.held.get()));
    }

    fn give(&self, bytes: u64) {
        self.held.set(self.held.get() - bytes);
    }
}

impl GpuBuffer {
    /// Zeroed memory for shaders and copies, `bytes` rounded up to [`ALIGNMENT`].
    ///
    /// Errors: it does not fit one binding or one buffer of this device.
    pub fn new(device: &Device, what: &str, bytes: u64) -> Result<Self> {
        device.require_binding(what, bytes)?;
        Ok(Self::with_usage(device, what, bytes, wgpu::BufferUsages::STORAGE))
    }

    /// Memory of another kind; the caller has checked its size. Copies are allowed to and from all but mappable buffers.
    pub fn with_usage(device: &Device, what: &str, bytes: u64, usage: wgpu::BufferUsages) -> Self {
        let copies = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let mappable = usage.contains(wgpu::BufferUsages::MAP_READ);
        let raw = device.raw().create_buffer(&wgpu::BufferDescriptor {
            label: Some(what),
            size: bytes.next_multiple_of(ALIGNMENT),
            usage: usage | if mappable { wgpu::BufferUsages::COPY_DST } else { copies },
            mapped_at_creation: false,
        });
        #[cfg(feature = "native")]
        device.meter().take(raw.size());
        Self {
            raw,
            #[cfg(feature = "native")]
            meter: device.meter().clone(),
        }
    }

    /// The wgpu handle.
    pub fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// Size in bytes, rounded up.
    pub fn bytes(&self) -> u64 {
        self.raw.size()
    }
}

impl Drop for GpuBuffer {
    fn drop(&mut self) {
        self.raw.destroy();
        #[cfg(feature = "native")]
        self.meter.give(self.raw.size());
    }
}

/// A tensor that outlives an evaluation: an input, an output, or a run's own. Clones share memory.
#[derive(Debug, Clone)]
pub struct Tensor {
    buffer: Rc<GpuBuffer>,
    shape: Rc<[usize]>,
}

impl Tensor {
    /// A tensor of zeros.
    pub fn new(device: &Device, what: &str, shape: &[usize]) -> Result<Self> {
        let elements = shape.iter().try_fold(1usize, |total, &extent| total.checked_mul(extent));
        let bytes = elements.and_then(|elements| (elements as u64).checked_mul(4));
        let bytes = bytes.filter(|bytes| *bytes > 0).ok_or_else(|| Error::ShapeMismatch {
            operation: what.to_owned(),
            expected: "extents of at least 1 whose product fits the address space".to_owned(),
            actual: format!("{shape:?}"),
        })?;
        Ok(Self { buffer: Rc::new(GpuBuffer::new(device, what, bytes)?), shape: shape.into() })
    }

    /// The same memory under another shape of as many elements.
    pub fn reshaped(&self, shape: &[usize]) -> Self {
        let tensor = Self { buffer: self.buffer.clone(), shape: shape.into() };
        assert_eq!(tensor.elements(), self.elements(), "a reshaped tensor keeps its elements");
        tensor
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn buffer(&self) -> &Rc<GpuBuffer> {
        &self.buffer
    }
}
