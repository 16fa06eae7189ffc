//! Where values live in an arena: two that are never alive at once may share memory.

use super::buffer::ALIGNMENT;

/// A value that is written at dispatch `first` and last read at dispatch `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    pub first: usize,
    pub last: usize,
    pub bytes: u64,
}

impl Interval {
    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// A place in the arena, aligned to [`ALIGNMENT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub buffer: usize,
    pub offset: u64,
}

/// Places every interval, the largest first, each in the tightest gap that those alive with it leave; opens another
/// buffer rather than exceed `max_buffer_bytes`, which holds any single interval.
///
/// Pisarchyk & Lee 2020, arXiv:2001.03288, section 5.2 (greedy by size for offset calculation).
pub fn place(intervals: &[Interval], max_buffer_bytes: u64) -> (Vec<Place>, Vec<u64>) {
    let size = |index: usize| intervals[index].bytes.next_multiple_of(ALIGNMENT);
    let mut order: Vec<usize> = (0..intervals.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(size(index)), index));
    let mut places: Vec<Option<Place>> = vec![None; intervals.len()];
    let mut buffers: Vec<u64> = Vec::new();
    for &index in &order {
        let bytes = size(index);
        let taken = |buffer: usize| {
            let mut ranges: Vec<(u64, u64)> = (0..intervals.len())
                .filter(|&other| intervals[index].meets(&intervals[other]))
                .filter_map(|other| {
                    let place = places[other].filter(|place| place.buffer == buffer)?;
                    Some((place.offset, place.offset + size(other)))
                })
                .collect();
            ranges.sort_unstable();
            ranges
        };
        let place = (0..buffers.len())
            .find_map(|buffer| {
                let offset = tightest_gap(&taken(buffer), bytes);
                (offset + bytes <= max_buffer_bytes).then_some(Place { buffer, offset })
            })
            .unwrap_or(Place { buffer: buffers.len(), offset: 0 });
        if place.buffer == buffers.len() {
            buffers.push(0);
        }
        buffers[place.buffer] = buffers[place.buffer].max(place.offset + bytes);
        places[index] = Some(place);
    }
    (places.into_iter().flatten().collect(), buffers)
}

/// Where `bytes` fit best among sorted ranges: in the smallest gap that holds them, else after all.
fn tightest_gap(ranges: &[(u64, u64)], bytes: u64) -> u64 {
    let (mut end, mut best) = (0, None);
    for &(first, last) in ranges {
        let gap = first.saturating_sub(end);
        if gap >= bytes && best.is_none_or(|(smallest, _)| gap < smallest) {
            best = Some((gap, end));
        }
        end = end.max(last);
    }
    best.map_or(end, |(_, offset)| offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_alive_together_never_overlap_and_others_share() {
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 33) % below
        };
        let intervals: Vec<Interval> = (0..200)
            .map(|first| Interval { first, last: first + random(6) as usize, bytes: 1 + random(5000) })
            .collect();
        let limit = 20_000;
        let (places, buffers) = place(&intervals, limit);
        for (a, (x, at_x)) in intervals.iter().zip(&places).enumerate() {
            assert_eq!(at_x.offset % ALIGNMENT, 0);
            assert!(at_x.offset + x.bytes <= buffers[at_x.buffer] && buffers[at_x.buffer] <= limit);
            for (y, at_y) in intervals[..a].iter().zip(&places) {
                let apart = at_x.offset + x.bytes <= at_y.offset || at_y.offset + y.bytes <= at_x.offset;
                assert!(at_x.buffer != at_y.buffer || !x.meets(y) || apart);
            }
        }
        let total: u64 = intervals.iter().map(|interval| interval.bytes).sum();
        assert!(buffers.iter().sum::<u64>() < total / 5, "{buffers:?} of {total}");
    }

    #[test]
    fn a_full_buffer_opens_another() {
        let interval = Interval { first: 0, last: 1, bytes: 600 };
        let (places, buffers) = place(&[interval; 3], 1536);
        assert_eq!(buffers, [1536, 768]);
        assert_eq!(places[2], Place { buffer: 1, offset: 0 });
    }
}
