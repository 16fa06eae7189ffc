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
        let shortest = millis.iter().copied().filter(|&millis| millis > 0.0).fold(f64::INFINITY, f64::min);
        let limit = PIECE_MILLIS.max(SLACK * shortest);
        let is_untried = |size: usize| millis.get(size) == Some(&0.0);
        let may_shrink = size > 0 && mean > PIECE_MILLIS && (is_untried(size - 1) || mean > limit);
        let may_grow = size + 1 < SIZES
            && if is_untried(size + 1) {
                2.0 * mean <= limit || shortest > PIECE_MILLIS
            } else {
                millis[size + 1] <= limit
            };
        if may_shrink {
            self.size.set(size - 1);
        } else if may_grow {
            self.size.set(size + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pace;

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

    #[test]
    fn a_busy_spell_passes() {
        let pace = Pace::default();
        (0..10).for_each(|_| pace.note(1.0 + 0.1 * pace.piece() as f64));
        (0..5).for_each(|_| pace.note(400.0));
        (0..400).for_each(|_| pace.note(1.0 + 0.1 * pace.piece() as f64));
        assert!(pace.piece() >= 256, "{}", pace.piece());
    }
}
