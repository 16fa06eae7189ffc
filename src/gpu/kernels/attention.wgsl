// y[i] = Σ_j p_ij v_j / Σ_j p_ij,  p_ij = exp(scale · q_i · k_j − m_i),  m_i = max_j scale · q_i · k_j; for each head
// q, y [B, Lq, D]    k, v [B, Lk, D]    heads are consecutive slices of D, S = D / heads wide
// q, k and v lie in rows of q_stride and k_stride elements, from q_first, k_first and v_first on: one product may have made several.
// As WebGPU binds no memory twice, KV_TOGETHER reads k and v from one binding, and QKV_TOGETHER all three.
// A workgroup takes 32 queries of one head, 32 keys at a time; thread (column, line) scores queries 4·line … + 3 with keys
// column, column + COLUMNS, …, and sums units column, column + COLUMNS, … of their outputs, at most four of either; heads that are wider
// than that have several workgroups. f32; one pass: sums are rescaled when m_i grows.
// The four scores of a line and a key lie together. UNROLLED units and keys are loaded at once, as there are few threads to wait in turns.
// Sums have names, as an array that a variable indexes need not lie in registers; those that a size has no use for are behind conditions
// that are constant.
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
// Lines of scores by key, and one more, so that a line of several keys does not fall into one bank.
const STRIDE = 9u;
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

var<workgroup> scores: array<array<f32, 4>, KEYS * STRIDE>;
// What a query's sums are multiplied by: the rescaling while keys go by, 1 / Σ p at the end.
var<workgroup> factors: array<f32, QUERIES>;
// A query's keys are shared by so many threads; what each found.
const SHARES = COLUMNS * LINES / QUERIES;
const KEYS_SHARE = KEYS / SHARES;
var<workgroup> maxima: array<f32, QUERIES * SHARES>;
var<workgroup> totals: array<f32, QUERIES * SHARES>;

// A unit of the outputs of four queries; or of the scores of four queries, four keys.
struct Sums {
    q0: vec4<f32>,
    q1: vec4<f32>,
    q2: vec4<f32>,
    q3: vec4<f32>,
}

fn scaled(sums: Sums, by: vec4<f32>) -> Sums {
    return Sums(sums.q0 * by.x, sums.q1 * by.y, sums.q2 * by.z, sums.q3 * by.w);
}

fn added(sums: Sums, p: vec4<f32>, v: vec4<f32>) -> Sums {
    return Sums(
        fma(vec4(p.x), v, sums.q0),
        fma(vec4(p.y), v, sums.q1),
        fma(vec4(p.z), v, sums.q2),
        fma(vec4(p.w), v, sums.q3),
    );
}

// Of a line's four queries.
fn four_factors(line: u32) -> vec4<f32> {
    let at = 4u * line;
    return vec4(factors[at], factors[at + 1u], factors[at + 2u], factors[at + 3u]);
}

// With those of a unit of four queries and of each of a thread's keys: `sums.q0` is the first key's.
fn with_products(sums: Sums, queries: vec4<u32>, keys: vec4<u32>, offset: u32) -> Sums {
    var products = sums;
    let left = params.width / params.heads - offset;
    let a0 = q_at(queries.x + offset, left);
    let a1 = q_at(queries.y + offset, left);
    let a2 = q_at(queries.z + offset, left);
    let a3 = q_at(queries.w + offset, left);
    let b0 = k_at(keys.x + offset, left);
    products.q0 += vec4(dot(a0, b0), dot(a1, b0), dot(a2, b0), dot(a3, b0));
    if (KEYS_EACH > 1u) {
        let b1 = k_at(keys.y + offset, left);
        products.q1 += vec4(dot(a0, b1), dot(a1, b1), dot(a2, b1), dot(a3, b1));
    }
    if (KEYS_EACH > 2u) {
        let b2 = k_at(keys.z + offset, left);
        products.q2 += vec4(dot(a0, b2), dot(a1, b2), dot(a2, b2), dot(a3, b2));
        let b3 = k_at(keys.w + offset, left);
        products.q3 += vec4(dot(a0, b3), dot(a1, b3), dot(a2, b3), dot(a3, b3));
    }
    return products;
}

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
    let k_stride = params.k_stride;
    let k_base = batch * params.keys * k_stride + params.k_first + head;
    let v_base = batch * params.keys * k_stride + params.v_first + head;
    let last_key = params.keys - 1u;
    let first_unit = group.z * UNITS_EACH * COLUMNS + local.x;

    var sums0 = Sums();
    var sums1 = Sums();
    var sums2 = Sums();
    var sums3 = Sums();
    // Of query first_query + thread % QUERIES.
    var largest = LOWEST;
    var total = 0.0;

    let keys = select(params.keys, min(params.keys, first_query + QUERIES), params.causal != 0u);
    for (var first_key = 0u; first_key < keys; first_key += KEYS) {
        let key = first_key + local.x;
        let k0 = k_base + min(key, last_key) * k_stride;
        let k1 = k_base + min(key + COLUMNS, last_key) * k_stride;
        let k2 = k_base + min(key + 2u * COLUMNS, last_key) * k_stride;
        let k3 = k_base + min(key + 3u * COLUMNS, last_key) * k_stride;
        let queries_at = vec4(q0, q1, q2, q3);
        let keys_at = vec4(k0, k1, k2, k3);
        var products = Sums();
        var unit = 0u;
        for (; unit + UNROLLED <= units; unit += UNROLLED) {
#for u UNROLLED
            products = with_products(products, queries_at, keys_at, 4u * (unit + $uu));
#end
        }
        for (; unit < units; unit++) {
            products = with_products(products, queries_at, keys_at, 4u * unit);
        }
        let column = local.x * STRIDE + local.y;
        keep_scores(column, products.q0);
        if (KEYS_EACH > 1u) {
            keep_scores(column + COLUMNS * STRIDE, products.q1);
        }
        if (KEYS_EACH > 2u) {
            keep_scores(column + 2u * COLUMNS * STRIDE, products.q2);
            keep_scores(column + 3u * COLUMNS * STRIDE, products.q3);
        }
        workgroupBarrier();

        let here = min(KEYS, keys - first_key);
        let mine = thread % QUERIES;
        let query = first_query + mine;
        let share = thread / QUERIES * KEYS_SHARE;
        let base = share * STRIDE + mine / 4u;
        let visible = select(here, min(here, max(query + 1u, first_key) - first_key), params.causal != 0u);
        var larger = LOWEST;
        for (var j = 0u; j < KEYS_SHARE; j += UNROLLED) {
#for u UNROLLED
            larger = max(larger, select(LOWEST, scores[base + (j + $uu) * STRIDE][mine % 4u], share + j + $uu < visible));
#end
        }
        maxima[thread] = larger;
        workgroupBarrier();
        larger = largest;
        for (var other = mine; other < QUERIES * SHARES; other += QUERIES) {
            larger = max(larger, maxima[other]);
        }
        var sum = 0.0;
        for (var j = 0u; j < KEYS_SHARE; j += UNROLLED) {
#for u UNROLLED
            let score$u = scores[base + (j + $uu) * STRIDE][mine % 4u];
#end
#for u UNROLLED
            let p$u = select(0.0, exp(score$u - larger), share + j + $uu < visible);
            scores[base + (j + $uu) * STRIDE][mine % 4u] = p$u;
            sum += p$u;
#end
        }
        totals[thread] = sum;
        let rescaling = exp(largest - larger);
        largest = larger;
        if (thread < QUERIES) {
            factors[thread] = rescaling;
        }
        workgroupBarrier();
        total *= rescaling;
        for (var other = mine; other < QUERIES * SHARES; other += QUERIES) {
            total += totals[other];
        }

        let factor = four_factors(local.y);
        sums0 = scaled(sums0, factor);
        sums1 = scaled(sums1, factor);
        sums2 = scaled(sums2, factor);
        sums3 = scaled(sums3, factor);
        // A unit that the head does not have reads the last one, and is not stored.
        let v0 = v_base + first_key * k_stride + 4u * min(first_unit, units - 1u);
        let v1 = v_base + first_key * k_stride + 4u * min(first_unit + COLUMNS, units - 1u);
        let v2 = v_base + first_key * k_stride + 4u * min(first_unit + 2u * COLUMNS, units - 1u);
        let v3 = v_base + first_key * k_stride + 4u * min(first_unit + 3u * COLUMNS, units - 1u);
        // Past the last key p is 0.
        for (var j = 0u; j < here; j += UNROLLED) {
#for u UNROLLED
            {
                let four = &scores[(j + $uu) * STRIDE + local.y];
                let p = vec4((*four)[0], (*four)[1], (*four)[2], (*four)[3]);
                let row = min(j + $uu, here - 1u) * k_stride;
                sums0 = added(sums0, p, v_at(v0 + row));
                if (UNITS_EACH > 1u) {
                    sums1 = added(sums1, p, v_at(v1 + row));
                }
                if (UNITS_EACH > 2u) {
                    sums2 = added(sums2, p, v_at(v2 + row));
                }
                if (UNITS_EACH > 3u) {
                    sums3 = added(sums3, p, v_at(v3 + row));
                }
            }
#end
        }
        workgroupBarrier();
    }

    if (thread < QUERIES) {
        factors[thread] = 1.0 / total;
    }
    workgroupBarrier();
    let factor = four_factors(local.y);
    let y_base = batch * params.queries * params.width + head;
    store_four(line, y_base, first_unit, scaled(sums0, factor));
    if (UNITS_EACH > 1u) {
        store_four(line, y_base, first_unit + COLUMNS, scaled(sums1, factor));
    }
    if (UNITS_EACH > 2u) {
        store_four(line, y_base, first_unit + 2u * COLUMNS, scaled(sums2, factor));
    }
    if (UNITS_EACH > 3u) {
        store_four(line, y_base, first_unit + 3u * COLUMNS, scaled(sums3, factor));
    }
}

fn keep_scores(at: u32, products: vec4<f32>) {
    let four = params.scale * products;
    scores[at] = array(four.x, four.y, four.z, four.w);
}

fn store_four(first: u32, base: u32, unit: u32, sums: Sums) {
    let size = params.width / params.heads;
    if (4u * unit >= size) {
        return;
    }
    store_inside(first, base, unit, sums.q0);
    store_inside(first + 1u, base, unit, sums.q1);
    store_inside(first + 2u, base, unit, sums.q2);
    store_inside(first + 3u, base, unit, sums.q3);
}

fn store_inside(query: u32, base: u32, unit: u32, value: vec4<f32>) {
    if (query < params.queries) {
        store(base + query * params.width + 4u * unit, params.width / params.heads - 4u * unit, value);
    }
}
