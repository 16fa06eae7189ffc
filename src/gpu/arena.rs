//! The one piece of memory that the plans of a device share for their intermediate values.
//!
//! A plan's values are dead once it has run, so plans may overlap: the arena is as large as its largest live plan.

use std::rc::{Rc, Weak};

use super::buffer::GpuBuffer;
use super::device::Device;

/// Bytes that a plan needs of each of the arena's buffers.
pub type Needs = Vec<u64>;

/// The shared buffers. More than one if a plan needs more than the largest buffer that the device allows.
#[derive(Default)]
pub struct Arena {
    buffers: Vec<Rc<GpuBuffer>>,
    live: Vec<Weak<Needs>>,
    generation: u64,
}

impl Arena {
    /// Makes a plan's needs known for as long as it lives, or until the memory is given back.
    pub fn register(&mut self, needs: &Rc<Needs>) {
        self.live.push(Rc::downgrade(needs));
    }

    /// Sizes the arena for every live plan: grows it if one does not fit, shrinks it if less than half is needed.
    pub fn fit(&mut self, device: &Device) {
        self.live.retain(|needs| needs.strong_count() > 0);
        let mut largest = Needs::new();
        for needs in self.live.iter().filter_map(Weak::upgrade) {
            largest.resize(largest.len().max(needs.len()), 0);
            for (most, bytes) in largest.iter_mut().zip(needs.iter()) {
                *most = (*most).max(*bytes);
            }
        }
        let held: u64 = self.buffers.iter().map(|buffer| buffer.bytes()).sum();
        let needed: u64 = largest.iter().sum();
        if self.holds(&largest) && held <= 2 * needed {
            return;
        }
        // Freed before the new ones are made, so that the peak is one arena and not two.
        self.buffers.clear();
        let make = |&bytes: &u64| {
            Rc::new(GpuBuffer::with_usage(device, "arena", bytes, wgpu::BufferUsages::STORAGE))
        };
        self.buffers = largest.iter().map(make).collect();
        self.generation += 1;
    }

    /// Gives the memory back, after an allocation failed. The next plan that runs makes it anew, as large as it needs
    /// itself: others may never run again.
    pub fn release(&mut self) {
        self.buffers.clear();
        self.live.clear();
        self.generation += 1;
    }

    /// Whether a plan with these needs can run now.
    pub fn holds(&self, needs: &[u64]) -> bool {
        needs.len() <= self.buffers.len()
            && needs.iter().zip(&self.buffers).all(|(bytes, buffer)| *bytes <= buffer.bytes())
    }

    /// Changes whenever the buffers do: bind groups made for another generation are stale.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The buffer at `index`.
    pub fn buffer(&self, index: usize) -> &Rc<GpuBuffer> {
        &self.buffers[index]
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.buffers.iter().map(|buffer| buffer.bytes()).sum()
    }
}
