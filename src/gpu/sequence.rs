//! Dispatches that are bound once and sent many times.

use std::ops::Range;

use super::device::Device;
use super::pipelines::{Bound, encode};

/// Bound dispatches in order. In a browser they are kept as a list in JavaScript, too; natively the commands of many that are sent again and
/// again are recorded for the next time while the device works, as that takes wgpu some microseconds a dispatch.
pub struct Sequence {
    /// Of each dispatch: about how many operations it takes as long as.
    work: Vec<u64>,
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
    /// Readies dispatches of `device` to be sent. `work` says how much each does.
    #[cfg(not(all(target_arch = "wasm32", feature = "web")))]
    pub fn new(_device: &Device, dispatches: Vec<Bound>, work: Vec<u64>) -> Self {
        Self { work, dispatches, again: Default::default() }
    }

    /// Readies dispatches of `device` to be sent. `work` says how much each does.
    #[cfg(all(target_arch = "wasm32", feature = "web"))]
    pub fn new(device: &Device, dispatches: Vec<Bound>, work: Vec<u64>) -> Self {
        let recorded = super::browser::record(device.raw(), || {
            let mut encoder = device.encoder();
            encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), &dispatches);
        });
        Self { work, recorded }
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
    device.note_submission(None);
}

/// The first dispatches of `parts`, as many as do no more than `most` work but one at least; and the others.
pub fn split<'a>(parts: &[Part<'a>], most: u64) -> (Vec<Part<'a>>, Vec<Part<'a>>) {
    let (mut first, mut others) = (Vec::new(), Vec::new());
    let mut left = Some(most);
    let mut takes = |work: u64, is_first: bool| {
        left = left.and_then(|left| left.checked_sub(work)).or(is_first.then_some(0));
        left.is_some()
    };
    let mut is_first = true;
    for (sequence, range) in parts {
        let taken = range.clone().take_while(|&at| takes(sequence.work[at], std::mem::take(&mut is_first)));
        let middle = range.start + taken.count();
        first.extend((middle > range.start).then_some((*sequence, range.start..middle)));
        others.extend((middle < range.end).then_some((*sequence, middle..range.end)));
    }
    (first, others)
}

/// How much work parts do.
pub fn work(parts: &[Part<'_>]) -> u64 {
    parts.iter().flat_map(|(sequence, range)| &sequence.work[range.clone()]).sum()
}

#[cfg(all(test, feature = "native"))]
mod tests {
    use super::{Part, Sequence, split, work};
    use crate::executor::PIECE_MILLIS;
    use crate::gpu::pace::Pace;

    fn sequence(work: Vec<u64>) -> Sequence {
        Sequence { work, dispatches: Vec::new(), again: Default::default() }
    }

    #[test]
    fn the_first_part_has_what_fits_and_never_nothing() {
        let (one, other) = (sequence(vec![5, 3, 9]), sequence(vec![1, 1, 50]));
        let parts: Vec<Part<'_>> = vec![(&one, 1..3), (&other, 0..3)];
        let ranges = |most| {
            let (first, others) = split(&parts, most);
            [first, others]
                .map(|parts| parts.into_iter().map(|(_, range)| (range.start, range.end)).collect::<Vec<_>>())
        };
        assert_eq!(work(&parts), 64);
        assert_eq!(ranges(64), [vec![(1, 3), (0, 3)], vec![]]);
        assert_eq!(ranges(13), [vec![(1, 3), (0, 1)], vec![(1, 3)]]);
        assert_eq!(ranges(12), [vec![(1, 3)], vec![(0, 3)]]);
        assert_eq!(ranges(11), [vec![(1, 2)], vec![(2, 3), (0, 3)]]);
        assert_eq!(ranges(0), [vec![(1, 2)], vec![(2, 3), (0, 3)]], "one at least");
        assert_eq!(split(&[], 5).0.len(), 0);
    }

    /// Levels of a UNet: dispatches of 60 million operations at both ends, and many of a fiftieth of that between.
    #[test]
    fn no_piece_of_an_uneven_evaluation_is_long() {
        let ends = [60_000_000; 20];
        let unet = sequence([&ends[..], &[1_200_000; 80], &ends].concat());
        let pace = Pace::default();
        for evaluation in 0..20 {
            let mut left: Vec<Part<'_>> = vec![(&unet, 0..120)];
            while !left.is_empty() {
                let (piece, rest) = split(&left, pace.piece());
                // 3 GFLOP/s, by work; small dispatches take twice as long as theirs says.
                let uneven = |at: usize| if unet.work[at] < 2_000_000 { 2.0 } else { 1.0 };
                let millis = |at: usize| uneven(at) * unet.work[at] as f64 / 3e6;
                let taken: f64 = piece.iter().flat_map(|(_, range)| range.clone()).map(millis).sum();
                assert!(
                    evaluation == 0 || taken <= 1.5 * PIECE_MILLIS,
                    "a piece of {taken} ms in {evaluation}"
                );
                pace.note(work(&piece), taken);
                left = rest;
            }
        }
    }
}
