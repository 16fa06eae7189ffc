//! How much work goes out at once: the most that this device does in about [`PIECE_MILLIS`], learnt from the pieces before.
//!
//! Work is counted in operations (`plan/work.rs`), as dispatches differ by a factor of hundreds.
//!
//! Where waiting for a piece itself takes longer than that, as on a busy machine, smaller pieces only add waits: then it
//! is the most that take not much longer than the shortest.

use std::cell::{Cell, RefCell};

use crate::executor::PIECE_MILLIS;

/// Pieces are powers of two, from 2^20 operations to more than any evaluation has.
const SMALLEST: u32 = 20;
const SIZES: usize = 30;
/// 2^27 operations first: less than a millisecond on a GPU, and some tens on a processor.
const FIRST: usize = 7;
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
    /// Operations of a piece, at most; a dispatch that has more is a piece by itself.
    pub fn piece(&self) -> u64 {
        1 << (SMALLEST as usize + self.size.get())
    }

    /// So much work that went out as one took at least so long: the only sign that pieces are too large where all of an
    /// evaluation fits into one, as after many pictures that were smaller.
    pub fn note_whole(&self, work: u64, taken: f64) {
        let limit = limit(&*self.millis.borrow());
        if taken > limit && (1..=self.piece()).contains(&work) {
            self.size.set(size_of(work).saturating_sub(halvings(taken / limit)));
        }
    }

    /// A piece that was followed by others took so long.
    pub fn note(&self, work: u64, taken: f64) {
        let size = size_of(work);
        let mut millis = self.millis.borrow_mut();
        let mean = if millis[size] > 0.0 { 0.5 * (millis[size] + taken) } else { taken };
        self.pieces.set((self.pieces.get() + 1) % MEMORY);
        if self.pieces.get() == 0 {
            *millis = [0.0; SIZES];
        }
        millis[size] = mean;
        let limit = limit(&*millis);
        let current = self.size.get();
        let is_untried = |size: usize| millis.get(size) == Some(&0.0);
        let may_shrink =
            (1..=current).contains(&size) && mean > PIECE_MILLIS && (is_untried(size - 1) || mean > limit);
        let may_grow = size == current
            && size + 1 < SIZES
            && if is_untried(size + 1) {
                2.0 * mean <= limit || shortest(&*millis) > PIECE_MILLIS
            } else {
                millis[size + 1] <= limit
            };
        if may_shrink {
            self.size.set(size.saturating_sub(halvings(mean / limit)));
        } else if may_grow {
            self.size.set(size + 1);
        } else if size > current && mean <= PIECE_MILLIS {
            // A dispatch that is more than a piece by itself says that pieces may be as large.
            self.size.set(size);
        }
    }
}

/// The smallest size that has room for so much.
fn size_of(work: u64) -> usize {
    let exponent = work.max(1).next_power_of_two().ilog2();
    (exponent.saturating_sub(SMALLEST) as usize).min(SIZES - 1)
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

    /// How long a piece takes on a device whose waits take so long, and 2^20 operations so long.
    fn taken(pace: &Pace, wait: f64, mebi: f64) -> f64 {
        wait + mebi * pace.piece() as f64 / f64::from(1 << 20)
    }

    /// The pieces that such a device comes to.
    fn settled(wait: f64, mebi: f64) -> Vec<u64> {
        let pace = Pace::default();
        let take = || {
            pace.note(pace.piece(), taken(&pace, wait, mebi));
            pace.piece()
        };
        (0..40).for_each(|_| _ = take());
        (0..20).map(|_| take()).collect()
    }

    #[test]
    fn a_fast_device_does_everything_at_once_and_a_slow_one_what_fits() {
        assert!(settled(0.2, 0.00005).iter().all(|&piece| piece == 1 << 39), "40 ms of 20 TFLOP/s");
        let slow = settled(1.0, 0.3);
        assert!(slow.iter().all(|&piece| piece == 1 << 27), "{slow:?}");
        let slower = settled(1.0, 20.0);
        assert!(slower.iter().all(|&piece| piece == 1 << 21), "{slower:?}");
    }

    #[test]
    fn long_waits_do_not_make_pieces_small() {
        let pieces = settled(100.0, 0.01);
        assert!(pieces.iter().all(|&piece| piece >= 1 << 31), "{pieces:?}");
    }

    /// Small pictures first, then one that takes far longer than its work says.
    #[test]
    fn what_is_far_too_long_is_cut_at_once() {
        let pace = Pace::default();
        let take = |mebi: f64| pace.note(pace.piece(), taken(&pace, 0.0, mebi));
        (0..40).for_each(|_| take(0.0005));
        assert!(pace.piece() >= 1 << 36, "{}", pace.piece());
        take(0.1);
        assert!(taken(&pace, 0.0, 0.1) <= 2.0 * PIECE_MILLIS, "{}", pace.piece());
    }

    #[test]
    fn an_evaluation_that_goes_out_as_one_is_cut_if_it_takes_long() {
        let pace = Pace::default();
        (0..40).for_each(|_| pace.note(pace.piece(), taken(&pace, 0.0, 0.0001)));
        let fast = pace.piece();
        pace.note_whole(1 << 30, 40.0);
        pace.note_whole(2 * fast, 4000.0);
        assert_eq!(pace.piece(), fast, "what is short, or went out in pieces, says nothing");
        pace.note_whole(700 << 20, 2000.0);
        assert_eq!(pace.piece(), 16 << 20, "700 of 2000 ms are 17 of 50");
    }

    #[test]
    fn a_dispatch_that_is_more_than_a_piece_says_how_large_pieces_may_be() {
        let pace = Pace::default();
        pace.note(1 << 33, 200.0);
        assert_eq!(pace.piece(), Pace::default().piece(), "it was too long");
        pace.note(1 << 32, 10.0);
        assert_eq!(pace.piece(), 1 << 32);
    }

    #[test]
    fn a_busy_spell_passes() {
        let pace = Pace::default();
        let quiet = || pace.note(pace.piece(), taken(&pace, 1.0, 0.01));
        (0..10).for_each(|_| quiet());
        (0..5).for_each(|_| pace.note(pace.piece(), 400.0));
        (0..400).for_each(|_| quiet());
        assert_eq!(pace.piece(), 1 << 32, "41 ms");
    }
}
