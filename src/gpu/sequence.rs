//! Dispatches that are bound once and sent many times.

use std::ops::Range;

use super::device::Device;
use super::pipelines::{Bound, encode};

/// Bound dispatches in order. In a browser they are kept as a list in JavaScript, too; natively the commands of many that are sent again and
/// again are recorded for the next time while the device works, as that takes wgpu some microseconds a dispatch.
pub struct Sequence {
    #[cfg(not(all(target_arch = "wasm32", feature = "web")))]
    dispatches: Vec<Bound>,
    #[cfg(not(all(target_arch = "wasm32", feature = "web")))]
    again: std::cell::RefCell<Again>,
    #[cfg(all(target_arch = "wasm32", feature = "web"))]
    recorded: js_sys::Array,
}

/// Some dispatches of a sequence, which follow each other.
pub type Part<'a> = (&'a Sequence, Range<usize>);

impl Sequence {
    /// Readies dispatches of `device` to be sent.
    #[cfg(not(all(target_arch = "wasm32", feature = "web")))]
    pub fn new(_device: &Device, dispatches: Vec<Bound>) -> Self {
        Self { dispatches, again: Default::default() }
    }

    /// Readies dispatches of `device` to be sent.
    #[cfg(all(target_arch = "wasm32", feature = "web"))]
    pub fn new(device: &Device, dispatches: Vec<Bound>) -> Self {
        let recorded = super::browser::record(device.raw(), || {
            let mut encoder = device.encoder();
            encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), &dispatches);
        });
        Self { recorded }
    }

    /// The dispatches.
    #[cfg(feature = "native")]
    pub fn dispatches(&self) -> &[Bound] {
        &self.dispatches
    }
}

/// The dispatches of a sequence that were sent last, and the commands to send them again.
#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
#[derive(Default)]
struct Again {
    range: Range<usize>,
    commands: Option<wgpu::CommandBuffer>,
}

/// Dispatches that are worth a command buffer of their own.
#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
const LONG: usize = 32;

/// Sends dispatches in one submission.
#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
pub fn send(device: &Device, parts: &[Part<'_>]) {
    let is_long = |(_, range): &Part<'_>| range.len() >= LONG;
    let commands = parts.chunk_by(|one, other| !is_long(one) && !is_long(other)).map(|some| {
        let (sequence, range) = &some[0];
        let mut again = sequence.again.borrow_mut();
        let recorded = if again.range == *range { again.commands.take() } else { None };
        recorded.unwrap_or_else(|| record(device, some))
    });
    device.submit(commands.collect());
    for part @ (sequence, range) in parts.iter().filter(|part| is_long(part)) {
        let mut again = sequence.again.borrow_mut();
        let is_repeated = again.range == *range;
        let commands = is_repeated.then(|| record(device, std::slice::from_ref(part)));
        *again = Again { range: range.clone(), commands };
    }
}

#[cfg(not(all(target_arch = "wasm32", feature = "web")))]
fn record(device: &Device, parts: &[Part<'_>]) -> wgpu::CommandBuffer {
    let mut encoder = device.encoder();
    encode(
        &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()),
        parts.iter().flat_map(|(sequence, range)| &sequence.dispatches[range.clone()]),
    );
    encoder.finish()
}

/// Sends dispatches: one encoder, one compute pass, one submission.
#[cfg(all(target_arch = "wasm32", feature = "web"))]
pub fn send(device: &Device, parts: &[Part<'_>]) {
    let parts = parts.iter().map(|(sequence, range)| (&sequence.recorded, range.clone()));
    super::browser::replay(device.raw(), device.queue(), parts);
    device.note_submission();
}

/// The first `count` dispatches of `parts`, and the others.
pub fn split<'a>(parts: &[Part<'a>], count: usize) -> (Vec<Part<'a>>, Vec<Part<'a>>) {
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let mut left = count;
    for (sequence, range) in parts {
        let middle = range.start + left.min(range.len());
        left -= middle - range.start;
        first.extend((middle > range.start).then_some((*sequence, range.start..middle)));
        others.extend((middle < range.end).then_some((*sequence, middle..range.end)));
    }
    (first, others)
}

/// How many dispatches there are.
pub fn count(parts: &[Part<'_>]) -> usize {
    parts.iter().map(|(_, range)| range.len()).sum()
}
