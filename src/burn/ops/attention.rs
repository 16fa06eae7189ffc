//! Attention, one head and one block of queries at a time.
//!
//! `B` batch, `L` queries, `K` keys, `D` width, `d = D / heads`. A head is a slice of the last axis, so its queries,
//! keys and values are matrices with row stride `D` inside the operands, and nothing is rearranged. Scores of
//! one block are all that is ever kept.

use burn_flex::FlexTensor;

use super::exponential::exp;
use super::normalisation::sum;
use super::product::product;
use super::{from_values, shape, values};
use crate::burn::tensor::{matrix, values_mut};

/// Most scores kept at once, about what stays in a processor's cache.
const SCORES: usize = 128 * 1024;

/// `softmax(scale · q kᵀ) v` for each head: `q [B, L, D]`, `k [B, K, D]`, `v [B, K, D]`.
pub(super) fn attention(
    q: &FlexTensor,
    k: &FlexTensor,
    v: &FlexTensor,
    heads: usize,
    scale: f32,
    causal: bool,
) -> FlexTensor {
    let &[batch, queries, width] = shape(q) else { unreachable!("the graph's builder checked the rank") };
    let (keys, size) = (shape(k)[1], width / heads);
    let block = (SCORES / keys).clamp(1, queries);
    let mut y = vec![0.0; values(q).len()];
    for b in 0..batch {
        for head in 0..heads {
            for first in (0..queries).step_by(block) {
                let count = block.min(queries - first);
                // With a causal mask, keys after the block's last query are never seen.
                let keys_seen = if causal { first + count } else { keys };
                let start = (b * queries + first) * width + head * size;
                let keys_start = b * keys * width + head * size;
                let block_q = matrix(q, start, [count, size], [width, 1]);
                let block_k = matrix(k, keys_start, [size, keys_seen], [1, width]);
                let block_v = matrix(v, keys_start, [keys_seen, size], [width, 1]);

                let mut scores = product(block_q, block_k);
                let mut totals = Vec::with_capacity(count);
                for (index, row) in values_mut(&mut scores).chunks_exact_mut(keys_seen).enumerate() {
                    let visible = if causal { first + index + 1 } else { keys };
                    totals.push(exponentials(row, visible, scale));
                }
                let sums = product(scores, block_v);
                for (index, (row, total)) in values(&sums).chunks_exact(size).zip(totals).enumerate() {
                    let out = &mut y[start + index * width..][..size];
                    for (out, sum) in out.iter_mut().zip(row) {
                        *out = sum / total;
                    }
                }
            }
        }
    }
    from_values(y, shape(q))
}

/// Turns scores into `exp(scale · (score - largest))`, zero for keys from `visible` on; returns their sum.
/// The largest is taken off first, so that nothing overflows.
fn exponentials(scores: &mut [f32], visible: usize, scale: f32) -> f32 {
    let (scores, hidden) = scores.split_at_mut(visible);
    hidden.fill(0.0);
    let scaled = |score: f32| scale * score;
    let largest = scores.iter().copied().map(scaled).fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = exp(scaled(*score) - largest);
    }
    sum(scores, |weight| weight) as f32
}
