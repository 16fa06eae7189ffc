// y[i] = Σ_j p_ij v_j / Σ_j p_ij,  p_ij = exp(scale · q_i · k_j − m_i),  m_i = max_j scale · q_i · k_j; for each head
// q, y [B, Lq, D]    k, v [B, Lk, D]    heads are consecutive slices of D, S = D / heads wide
// q, k and v lie in rows of q_stride and k_stride elements, from q_first, k_first and v_first on: one product may have made several.
// As WebGPU binds no memory twice, KV_TOGETHER reads k and v from one binding, and QKV_TOGETHER all three.
// A workgroup takes 32 queries of one head, 32 keys at a time; thread (column, line) scores queries 4·line … + 3 with keys
// column, column + COLUMNS, …, and sums units column, column + COLUMNS, … of their outputs. f32; one pass: sums are rescaled when m_i grows.
// Dao et al. 2022, arXiv:2205.14135, Algorithm 1; Milakov & Gimelshein 2018, arXiv:1805.02867. Twin: attention.rs.

struct Params {
    queries: u32,
    keys: u32,
    width: u32,
    heads: u32,
    scale: f32,
    causal: u32,
    q_stride: u32,
    q_first: u32,
    k_stride: u32,
    k_first: u32,
    v_first: u32,
}

const LINES = 8u;
const QUERIES = 32u;
const KEYS = 32u;
// One more than KEYS, so that a column of scores does not fall into one bank.
const STRIDE = 33u;
const KEYS_EACH = KEYS / COLUMNS;
const LOWEST = -3.0e38;

@group(0) @binding(0) var<uniform> params: Params;
#if VECTORS
@group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> q: array<vec4<f32>>;

fn q_at(i: u32, count: u32) -> vec4<f32> { return q[i / 4u]; }
fn store(i: u32, count: u32, value: vec4<f32>) { y[i / 4u] = value; }
#endif
#if APART
@group(0) @binding(3) var<storage, read_write> k: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4<f32>>;

fn k_at(i: u32, count: u32) -> vec4<f32> { return k[i / 4u]; }
fn v_at(i: u32) -> vec4<f32> { return v[i / 4u]; }
#endif
#if KV_TOGETHER
@group(0) @binding(3) var<storage, read_write> kv: array<vec4<f32>>;

fn k_at(i: u32, count: u32) -> vec4<f32> { return kv[i / 4u]; }
fn v_at(i: u32) -> vec4<f32> { return kv[i / 4u]; }
#endif
#if QKV_TOGETHER
fn k_at(i: u32, count: u32) -> vec4<f32> { return q[i / 4u]; }
fn v_at(i: u32) -> vec4<f32> { return q[i / 4u]; }
#endif
#if SCALARS
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> q: array<f32>;
@group(0) @binding(3) var<storage, read_write> k: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;

// Only the first `count` entries belong to the head: the others must not enter a dot product.
fn within(count: u32, value: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), value, vec4(count) > vec4(0u, 1u, 2u, 3u));
}
fn q_at(i: u32, count: u32) -> vec4<f32> { return within(count, vec4(q[i], q[i + 1u], q[i + 2u], q[i + 3u])); }
fn k_at(i: u32, count: u32) -> vec4<f32> { return within(count, vec4(k[i], k[i + 1u], k[i + 2u], k[i + 3u])); }
fn v_at(i: u32) -> vec4<f32> { return vec4(v[i], v[i + 1u], v[i + 2u], v[i + 3u]); }
fn store(i: u32, count: u32, value: vec4<f32>) {
    y[i] = value.x;
    if (count > 1u) { y[i + 1u] = value.y; }
    if (count > 2u) { y[i + 2u] = value.z; }
    if (count > 3u) { y[i + 3u] = value.w; }
}
#endif

var<workgroup> scores: array<f32, QUERIES * STRIDE>;
// What a query's sums are multiplied by: the rescaling while keys go by, 1 / Σ p at the end.
var<workgroup> factors: array<f32, QUERIES>;

@compute @workgroup_size(COLUMNS, LINES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let size = params.width / params.heads;
    let units = (size + 3u) / 4u;
    let head = group.y % params.heads * size;
    let batch = group.y / params.heads;
    let first_query = group.x * QUERIES;
    let thread = local.y * COLUMNS + local.x;

    // Rows past the end repeat the last one and are not stored.
    let last = params.queries - 1u;
    let line = first_query + 4u * local.y;
    let q_base = batch * params.queries * params.q_stride + params.q_first + head;
    let q0 = q_base + min(line, last) * params.q_stride;
    let q1 = q_base + min(line + 1u, last) * params.q_stride;
    let q2 = q_base + min(line + 2u, last) * params.q_stride;
    let q3 = q_base + min(line + 3u, last) * params.q_stride;
    let k_base = batch * params.keys * params.k_stride + params.k_first + head;
    let v_base = batch * params.keys * params.k_stride + params.v_first + head;
    let y_base = batch * params.queries * params.width + head;

    var sums = array<vec4<f32>, 4u * UNITS_EACH>();
    // Of query first_query + thread, for the first QUERIES threads.
    var largest = LOWEST;
    var total = 0.0;

    let keys = select(params.keys, min(params.keys, first_query + QUERIES), params.causal != 0u);
    for (var first_key = 0u; first_key < keys; first_key += KEYS) {
        var products = array<vec4<f32>, KEYS_EACH>();
        for (var unit = 0u; unit < units; unit++) {
            let offset = 4u * unit;
            let left = size - offset;
            let a0 = q_at(q0 + offset, left);
            let a1 = q_at(q1 + offset, left);
            let a2 = q_at(q2 + offset, left);
            let a3 = q_at(q3 + offset, left);
            for (var n = 0u; n < KEYS_EACH; n++) {
                let key = min(first_key + local.x + n * COLUMNS, params.keys - 1u);
                let b = k_at(k_base + key * params.k_stride + offset, left);
                products[n] += vec4(dot(a0, b), dot(a1, b), dot(a2, b), dot(a3, b));
            }
        }
        for (var n = 0u; n < KEYS_EACH; n++) {
            let column = local.x + n * COLUMNS;
            for (var r = 0u; r < 4u; r++) {
                scores[(4u * local.y + r) * STRIDE + column] = params.scale * products[n][r];
            }
        }
        workgroupBarrier();

        let here = min(KEYS, keys - first_key);
        if (thread < QUERIES) {
            let query = first_query + thread;
            let base = thread * STRIDE;
            let visible = select(here, min(here, max(query + 1u, first_key) - first_key), params.causal != 0u);
            var larger = largest;
            for (var j = 0u; j < visible; j++) {
                larger = max(larger, scores[base + j]);
            }
            var sum = 0.0;
            for (var j = 0u; j < KEYS; j++) {
                var p = 0.0;
                if (j < visible) {
                    p = exp(scores[base + j] - larger);
                }
                scores[base + j] = p;
                sum += p;
            }
            let factor = exp(largest - larger);
            total = total * factor + sum;
            largest = larger;
            factors[thread] = factor;
        }
        workgroupBarrier();

        for (var r = 0u; r < 4u; r++) {
            let factor = factors[4u * local.y + r];
            for (var n = 0u; n < UNITS_EACH; n++) {
                sums[r * UNITS_EACH + n] *= factor;
            }
        }
        for (var j = 0u; j < here; j++) {
            let base = 4u * local.y * STRIDE + j;
            let p0 = scores[base];
            let p1 = scores[base + STRIDE];
            let p2 = scores[base + 2u * STRIDE];
            let p3 = scores[base + 3u * STRIDE];
            for (var n = 0u; n < UNITS_EACH; n++) {
                let unit = local.x + n * COLUMNS;
                if (unit < units) {
                    let value = v_at(v_base + (first_key + j) * params.k_stride + 4u * unit);
                    sums[n] += p0 * value;
                    sums[UNITS_EACH + n] += p1 * value;
                    sums[2u * UNITS_EACH + n] += p2 * value;
                    sums[3u * UNITS_EACH + n] += p3 * value;
                }
            }
        }
        workgroupBarrier();
    }

    if (thread < QUERIES) {
        factors[thread] = 1.0 / total;
    }
    workgroupBarrier();
    for (var r = 0u; r < 4u; r++) {
        let query = line + r;
        if (query < params.queries) {
            for (var n = 0u; n < UNITS_EACH; n++) {
                let unit = local.x + n * COLUMNS;
                if (unit < units) {
                    let value = sums[r * UNITS_EACH + n] * factors[4u * local.y + r];
                    store(y_base + query * params.width + 4u * unit, size - 4u * unit, value);
                }
            }
        }
    }
}
