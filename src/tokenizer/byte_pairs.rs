//! Byte-pair encoding: a piece's symbols, merged two by two, the best-ranked pair first. Sennrich et al. 2016,
//! Algorithm 1.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Which neighbours merge: two symbols to the merge's rank (0 is done first) and the symbol they become.
pub(super) type Merges = HashMap<(u32, u32), (u32, u32)>;

/// Ids of a piece's symbols after all merges.
///
/// A heap of candidate pairs keeps long pieces cheap: `O(n log n)` for `n` symbols, where scanning anew after each
/// merge would be `O(n²)`.
pub(super) fn merge(symbols: Vec<u32>, merges: &Merges) -> Vec<u32> {
    let mut chain = Chain::new(symbols);
    let mut heap = BinaryHeap::new();
    for left in 0..chain.links.len() {
        chain.push_candidate(left, merges, &mut heap);
    }
    while let Some(Reverse(candidate)) = heap.pop() {
        // The pair may be gone: one of its symbols has merged elsewhere since.
        if chain.pair(candidate.left) != Some(candidate.pair) {
            continue;
        }
        chain.join(candidate.left, candidate.merged);
        chain.push_candidate(candidate.left, merges, &mut heap);
        if let Some(before) = chain.links[candidate.left].previous {
            chain.push_candidate(before, merges, &mut heap);
        }
    }
    chain.links.iter().filter_map(|link| link.symbol).collect()
}

/// A pair that could merge. Ordered by rank, then from left to right.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    left: usize,
    pair: (u32, u32),
    merged: u32,
}

/// Symbols in a doubly linked list; a merged symbol stays where its left part was.
struct Chain {
    links: Vec<Link>,
}

struct Link {
    /// `None` once it has merged into the symbol before it.
    symbol: Option<u32>,
    previous: Option<usize>,
    next: Option<usize>,
}

impl Chain {
    fn new(symbols: Vec<u32>) -> Self {
        let count = symbols.len();
        let link = |(index, symbol): (usize, u32)| Link {
            symbol: Some(symbol),
            previous: index.checked_sub(1),
            next: Some(index + 1).filter(|&next| next < count),
        };
        Self { links: symbols.into_iter().enumerate().map(link).collect() }
    }

    fn pair(&self, left: usize) -> Option<(u32, u32)> {
        let right = self.links[left].next?;
        Some((self.links[left].symbol?, self.links[right].symbol?))
    }

    fn push_candidate(&self, left: usize, merges: &Merges, heap: &mut BinaryHeap<Reverse<Candidate>>) {
        let Some(pair) = self.pair(left) else { return };
        if let Some(&(rank, merged)) = merges.get(&pair) {
            heap.push(Reverse(Candidate { rank, left, pair, merged }));
        }
    }

    /// Puts `merged` in place of the symbol at `left` and the one after it.
    fn join(&mut self, left: usize, merged: u32) {
        let right = self.links[left].next.expect("a pair has a right part");
        let after = self.links[right].next;
        self.links[right].symbol = None;
        self.links[left] = Link { symbol: Some(merged), previous: self.links[left].previous, next: after };
        if let Some(after) = after {
            self.links[after].previous = Some(left);
        }
    }
}
