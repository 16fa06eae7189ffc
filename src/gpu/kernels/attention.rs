//! Attention in one pass over the keys, with no score matrix in memory; see attention.wgsl.

use super::{Binding, Dispatch, Kernel, Strided, Variant};

/// Extents: `q [B, Lq, D]`, `k` and `v [B, Lk, D]`, heads being slices of `D`.
#[derive(Debug, Clone, Copy)]
pub struct AttentionShape {
    pub batch: usize,
    pub queries: usize,
    pub keys: usize,
    pub width: usize,
    pub heads: usize,
    pub scale: f32,
    pub causal: bool,
}

/// Queries or keys of a tile: of short sequences, and of others.
const TILES: [usize; 2] = [16, 32];
/// Queries of a thread.
const QUERIES_EACH: usize = 4;
/// Units of queries and keys that workgroup memory holds at most, and units of values.
const MOST_CHUNK: usize = 8;
const MOST_VALUES: usize = 256;
/// Units of four outputs that a thread sums at most.
const MOST_UNITS: usize = 4;

/// Where `q`, `k` and `v` are.
#[derive(Debug, Clone)]
pub enum Operands {
    Apart {
        q: Strided,
        k: Strided,
        v: Strided,
    },
    /// `v` begins at element `v_first` of the rows of `k`.
    KeysWithValues {
        q: Strided,
        k: Strided,
        v_first: usize,
    },
    /// `k` and `v` begin there in the rows of `q`.
    AllTogether {
        q: Strided,
        k_first: usize,
        v_first: usize,
    },
}

/// How many of so many queries or keys a tile takes.
fn tile(length: usize) -> usize {
    TILES[usize::from(length > TILES[0])]
}

/// Writes `y`. Operands that share memory have heads of a multiple of four.
pub fn dispatch(shape: &AttentionShape, operands: Operands, y: Binding) -> Dispatch {
    let size = shape.width / shape.heads;
    let units = size.div_ceil(4);
    // Wider heads take more threads a query, so that a thread's sums stay in registers, and in the end more workgroups.
    let columns = if units <= 16 { 8 } else { 16 };
    let [queries_tile, keys_tile] = [shape.queries, shape.keys].map(tile);
    let lines = queries_tile / QUERIES_EACH;
    let threads = columns * lines;
    // As even as may be.
    let chunk = units.div_ceil(units.div_ceil(MOST_CHUNK));
    let values = keys_tile.min(MOST_VALUES / columns);
    let units_each = units.div_ceil(columns).min(MOST_UNITS);
    let vectors = size.is_multiple_of(4);
    let (layout, q, of_keys, of_values, others) = match operands {
        Operands::Apart { q, k, v } => {
            ("APART", q, [k.stride, k.first], [v.stride, v.first], vec![k.binding, v.binding])
        }
        Operands::KeysWithValues { q, k, v_first } => {
            ("KV_TOGETHER", q, [k.stride, k.first], [k.stride, v_first], vec![k.binding])
        }
        Operands::AllTogether { q, k_first, v_first } => {
            let stride = q.stride;
            ("QKV_TOGETHER", q, [stride, k_first], [stride, v_first], vec![])
        }
    };
    let AttentionShape { batch, queries, keys, width, heads, scale, causal } = *shape;
    let mut params = [queries, keys, width, heads].map(|extent| extent as u32).to_vec();
    params.extend([scale.to_bits(), u32::from(causal)]);
    params.extend([[q.stride, q.first], of_keys, of_values].as_flattened().iter().map(|&word| word as u32));
    Dispatch {
        variant: Variant::of(Kernel::Attention)
            .switch("VECTORS", vectors)
            .switch(layout, vectors)
            .switch("SCALARS", !vectors)
            .size("COLUMNS", columns as u32)
            .size("UNITS_EACH", units_each as u32)
            .size("CHUNK", chunk as u32)
            .size("LINES", lines as u32)
            .size("KEYS", keys_tile as u32)
            .size("VALUES", values as u32)
            .size("QUERY_LOADS", (queries_tile * chunk).div_ceil(threads) as u32)
            .size("KEY_LOADS", (keys_tile * chunk).div_ceil(threads) as u32)
            .size("VALUES_EACH", (values * columns / threads) as u32),
        bindings: [y, q.binding].into_iter().chain(others).collect(),
        params,
        workgroups: [
            queries.div_ceil(queries_tile) as u32,
            (batch * heads) as u32,
            units.div_ceil(units_each * columns) as u32,
        ],
    }
}

/// The twin: a running maximum, total and sums for each query, rescaled tile by tile.
pub fn plain(shape: &AttentionShape, q: &[f32], k: &[f32], v: &[f32]) -> Vec<f32> {
    let (width, size) = (shape.width, shape.width / shape.heads);
    let mut y = vec![0.0; q.len()];
    for batch in 0..shape.batch {
        for head in 0..shape.heads {
            for query in 0..shape.queries {
                let at = (batch * shape.queries + query) * width + head * size;
                let key_at = |key: usize| (batch * shape.keys + key) * width + head * size;
                let visible = if shape.causal { query + 1 } else { shape.keys };
                let (mut largest, mut total, mut sums) = (f32::MIN, 0.0f32, vec![0.0f32; size]);
                for first in (0..visible).step_by(tile(shape.keys)) {
                    let tile = first..(first + tile(shape.keys)).min(visible);
                    let score = |key: usize| {
                        let products = q[at..at + size].iter().zip(&k[key_at(key)..]);
                        shape.scale * products.map(|(a, b)| a * b).sum::<f32>()
                    };
                    let scores: Vec<f32> = tile.clone().map(score).collect();
                    let larger = scores.iter().copied().fold(largest, f32::max);
                    let factor = (largest - larger).exp();
                    total *= factor;
                    sums.iter_mut().for_each(|sum| *sum *= factor);
                    for (key, score) in tile.zip(scores) {
                        let p = (score - larger).exp();
                        total += p;
                        for (sum, value) in sums.iter_mut().zip(&v[key_at(key)..]) {
                            *sum += p * value;
                        }
                    }
                    largest = larger;
                }
                for (out, sum) in y[at..at + size].iter_mut().zip(sums) {
                    *out = sum / total;
                }
            }
        }
    }
    y
}
