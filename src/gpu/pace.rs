//! How many dispatches go out at once: the most that this device does in about [`PIECE_MILLIS`], learnt from those before.
//!
//! Where waiting for a piece itself takes longer than that, as on a busy machine, smaller pieces only add waits: then it
//! is the most that take not much longer than the shortest.

use std::cell::{Cell, RefCell};

use crate::executor::PIECE_MILLIS;

/// Pieces are powers of two up to more than any evaluation has.
const SIZES: usize = 17;
/// 16 dispatches first: some milliseconds on a GPU, and not yet a second on a processor in disguise.
const FIRST: usize = 4;
/// How much longer than the shortest a piece may take where none is short.
const SLACK: f64 = 1.5;
/// After so many pieces, what was learnt of other sizes is forgotten, and they are tried again: a machine is not always as busy.
const MEMORY: u32 = 128;

/// A device's pace.
pub struct Pace {
    size: Cell<usize>,
    pieces: Cell<u32>,
    /// Of a piece of each size, 0 where that is not known.
    millis: RefCell<[f64; SIZES]>,
}

impl Default for Pace {
    fn default() -> Self {
        Self { size: Cell::new(FIRST), pieces: Cell::new(0), millis: RefCell::default() }
    }
}

impl Pace {
    /// Dispatches of a piece.
    pub fn piece(&self) -> usize {
        1 << self.size.get()
    }

    /// So many dispatches that went out as one took at least so long: the only sign that pieces are too large where all of an
    /// evaluation fits into one, as after many pictures that were smaller.
    pub fn note_whole(&self, dispatches: usize, taken: f64) {
        let limit = limit(&*self.millis.borrow());
        if taken > limit && (1..=self.piece()).contains(&dispatches) {
            let size = (dispatches.ilog2() as usize).saturating_sub(halvings(taken / limit) - 1);
            self.size.set(size.min(self.size.get()));
        }
    }

    /// A full piece took so long.
    pub fn note(&self, taken: f64) {
        let size = self.size.get();
        let mut millis = self.millis.borrow_mut();
        let mean = if millis[size] > 0.0 { 0.5 * (millis[size] + taken) } else { taken };
        self.pieces.set((self.pieces.get() + 1) % MEMORY);
        if self.pieces.get() == 0 {
            *millis = [0.0; SIZES];
        }
        millis[size] = mean;
        let limit = limit(&*millis);
        let is_untried = |size: usize| millis.get(size) == Some(&0.0);
        let may_shrink = size > 0 && mean > PIECE_MILLIS && (is_untried(size - 1) || mean > limit);
        let may_grow = size + 1 < SIZES
            && if is_untried(size + 1) {
                2.0 * mean <= limit || shortest(&*millis) > PIECE_MILLIS
            } else {
                millis[size + 1] <= limit
            };
        if may_shrink {
            self.size.set(size.saturating_sub(halvings(mean / limit)));
        } else if may_grow {
            self.size.set(size + 1);
        }
    }
}

/// Of the sizes that are known; infinite if none is.
fn shortest(millis: &[f64]) -> f64 {
    millis.iter().copied().filter(|&millis| millis > 0.0).fold(f64::INFINITY, f64::min)
}

/// What a piece may take.
fn limit(millis: &[f64]) -> f64 {
    let shortest = shortest(millis);
    if shortest.is_finite() { PIECE_MILLIS.max(SLACK * shortest) } else { PIECE_MILLIS }
}

/// How often so many times too much has to be halved; at least once.
fn halvings(excess: f64) -> usize {
    excess.log2().ceil().max(1.0) as usize
}

#[cfg(test)]
mod tests {
    use super::Pace;
    use crate::executor::PIECE_MILLIS;

    /// The piece that a device comes to whose waits and dispatches take so long.
    fn settled(wait: f64, dispatch: f64) -> Vec<usize> {
        let pace = Pace::default();
        let take = || {
            pace.note(wait + dispatch * pace.piece() as f64);
            pace.piece()
        };
        (0..40).for_each(|_| _ = take());
        (0..20).map(|_| take()).collect()
    }

    #[test]
    fn a_fast_device_does_everything_at_once_and_a_slow_one_what_fits() {
        assert!(settled(0.2, 0.0005).iter().all(|&piece| piece > 10_000));
        let slow = settled(1.0, 5.0);
        assert!(slow.iter().all(|&piece| piece == 8), "{slow:?}");
        let slower = settled(1.0, 300.0);
        assert!(slower.iter().all(|&piece| piece <= 2), "{slower:?}");
    }

    #[test]
    fn long_waits_do_not_make_pieces_small() {
        let pieces = settled(100.0, 0.5);
        assert!(pieces.iter().all(|&piece| piece >= 32), "{pieces:?}");
    }

    /// Small pictures first, then one whose dispatches take two hundred times as long.
    #[test]
    fn what_is_far_too_long_is_cut_at_once() {
        let pace = Pace::default();
        let take = |dispatch: f64| {
            let taken = dispatch * pace.piece() as f64;
            pace.note(taken);
            taken
        };
        (0..40).for_each(|_| _ = take(0.05));
        assert!(pace.piece() >= 512, "{}", pace.piece());
        take(10.0);
        assert!(10.0 * pace.piece() as f64 <= 2.0 * PIECE_MILLIS, "{}", pace.piece());
    }

    #[test]
    fn an_evaluation_that_goes_out_as_one_is_cut_if_it_takes_long() {
        let pace = Pace::default();
        (0..40).for_each(|_| pace.note(0.001 * pace.piece() as f64));
        let fast = pace.piece();
        pace.note_whole(700, 40.0);
        pace.note_whole(2 * fast, 4000.0);
        assert_eq!(pace.piece(), fast, "what is short, or went out in pieces, says nothing");
        pace.note_whole(700, 2000.0);
        assert_eq!(pace.piece(), 16, "700 of 2000 ms are 17 of 50");
    }

    #[test]
    fn a_busy_spell_passes() {
        let pace = Pace::default();
        (0..10).for_each(|_| pace.note(1.0 + 0.1 * pace.piece() as f64));
        (0..5).for_each(|_| pace.note(400.0));
        (0..400).for_each(|_| pace.note(1.0 + 0.1 * pace.piece() as f64));
        assert!(pace.piece() >= 256, "{}", pace.piece());
    }
}
