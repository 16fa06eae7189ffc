// y[i] = Σ_j p_ij v_j / Σ_j p_ij,  p_ij = exp(scale · q_i · k_j − m_i),  m_i = max_j scale · q_i · k_j; for each head
// q, y [B, Lq, D]    k, v [B, Lk, D]    heads are consecutive slices of D, S = D / heads wide
// q, k and v lie in rows of q_stride, k_stride and v_stride elements, from q_first, k_first and v_first on: one product may have made
// several.
// As WebGPU binds no memory twice, KV_TOGETHER reads k and v from one binding, and QKV_TOGETHER all three.
// A workgroup takes 4·LINES queries of one head, KEYS keys at a time; thread (column, line) scores queries 4·line … + 3 with keys
// column, column + COLUMNS, …, and sums units column, column + COLUMNS, … of their outputs, at most four of either; heads that are wider
// than that have several workgroups. f32; one pass: sums are rescaled when m_i grows.
// Tiles are 32 by 32; short sequences, of 16 and fewer, have tiles of 16, which would be half empty otherwise.
// What is multiplied lies in workgroup memory, queries and keys CHUNK units at a time: a thread reads 8 vectors of it for 64 multiply-adds.
// The first values are loaded with the keys, so that small pictures wait for memory once. A line's maxima are all that threads tell each
// other; each adds up its own keys, and those sums meet at the end.
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
    v_stride: u32,
    v_first: u32,
}

const QUERIES = 4u * LINES;
const THREADS = COLUMNS * LINES;
const KEYS_EACH = KEYS / COLUMNS;
// A row of a tile takes an odd number of vectors, so that eight threads with a row each do not meet in a bank.
const STRIDE = 9u;
// Values are in the tile VALUES keys at a time; how many rows of it those of one key take.
const VALUE_ROWS = COLUMNS / 8u;
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

// The tiles are arrays in arrays, as an index is checked for each: those that are constants, or the same in all turns of a loop, cost
// nothing.
// [line][one of its queries][unit]
var<workgroup> q_tile: array<array<array<vec4<f32>, STRIDE>, 4>, LINES>;
// [key][unit], and then of values [four keys][one of them][row][unit of eight].
var<workgroup> kv_tile: array<array<array<array<vec4<f32>, STRIDE>, VALUE_ROWS>, 4>, VALUES / 4u>;
// [four keys][one of them][line], of a line's four queries.
var<workgroup> scores: array<array<array<vec4<f32>, LINES + 1u>, 4>, KEYS / 4u>;
// [column][line]
var<workgroup> found: array<array<vec4<f32>, LINES>, COLUMNS>;

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

// Which of a line's four queries see a key.
fn visible(first_query: u32, key: u32, keys: u32) -> vec4<bool> {
    let query = vec4(first_query) + vec4(0u, 1u, 2u, 3u);
    return vec4(key < keys) & (vec4(params.causal == 0u) | (vec4(key) <= query));
}

@compute @workgroup_size(COLUMNS, LINES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let size = params.width / params.heads;
    let units = (size + 3u) / 4u;
    let head = group.y % params.heads * size;
    let batch = group.y / params.heads;
    let first_query = group.x * QUERIES;
    let thread = local.y * COLUMNS + local.x;
    let line = first_query + 4u * local.y;

    // Rows past the end repeat the last one: such queries are not stored, and such keys are not visible.
    let last_query = params.queries - 1u;
    let last_key = params.keys - 1u;
    let q_base = batch * params.queries * params.q_stride + params.q_first + head;
    let k_base = batch * params.keys * params.k_stride + params.k_first + head;
    let v_base = batch * params.keys * params.v_stride + params.v_first + head;
    let first_unit = group.z * UNITS_EACH * COLUMNS;

    // What this thread loads of a chunk of queries and keys.
#for i QUERY_LOADS
    let query$i = (thread + $iu * THREADS) / CHUNK;
    let q_unit$i = (thread + $iu * THREADS) % CHUNK;
    let q_row$i = q_base + min(first_query + query$i, last_query) * params.q_stride;
#end
#for i KEY_LOADS
    let key$i = (thread + $iu * THREADS) / CHUNK;
    let k_unit$i = (thread + $iu * THREADS) % CHUNK;
#end

    var sums0 = Sums();
    var sums1 = Sums();
    var sums2 = Sums();
    var sums3 = Sums();
    // Of the line's queries; totals of the thread's own keys.
    var largest = vec4(LOWEST);
    var total = vec4(0.0);

    let keys = select(params.keys, min(params.keys, first_query + QUERIES), params.causal != 0u);
    for (var first_key = 0u; first_key < keys; first_key += KEYS) {
#for i VALUES_EACH
        let value$i = v_at(v_base + min(first_key + local.y + $iu * LINES, last_key) * params.v_stride
            + 4u * min(first_unit + local.x, units - 1u));
#end
        var products = Sums();
        for (var chunk = 0u; chunk < units; chunk += CHUNK) {
            let has_queries = first_key > 0u && units <= CHUNK;
#for i KEY_LOADS
            let k_at$i = 4u * min(chunk + k_unit$i, units - 1u);
            let k$i = k_at(k_base + min(first_key + key$i, last_key) * params.k_stride + k_at$i, size - k_at$i);
#end
#for i QUERY_LOADS
            let q_at$i = 4u * min(chunk + q_unit$i, units - 1u);
            var q$i = vec4(0.0);
            if (!has_queries) {
                q$i = q_at(q_row$i + q_at$i, size - q_at$i);
            }
#end
            workgroupBarrier();
#for i KEY_LOADS
            if (key$i < KEYS) {
                keep_key(key$i, k_unit$i, select(vec4(0.0), k$i, chunk + k_unit$i < units));
            }
#end
#for i QUERY_LOADS
            if (query$i < QUERIES && !has_queries) {
                q_tile[query$i / 4u][query$i % 4u][q_unit$i] = params.scale * q$i;
            }
#end
            workgroupBarrier();
#if MANY_THREADS
#for u CHUNK
            {
                const u = $uu;
#else
#for once 1
            for (var u = 0u; u < CHUNK; u++) {
#endif
                let a0 = q_tile[local.y][0][u];
                let a1 = q_tile[local.y][1][u];
                let a2 = q_tile[local.y][2][u];
                let a3 = q_tile[local.y][3][u];
                let b0 = key_at(local.x, u);
                products.q0 += vec4(dot(a0, b0), dot(a1, b0), dot(a2, b0), dot(a3, b0));
                if (KEYS_EACH > 1u) {
                    let b1 = key_at(local.x + COLUMNS, u);
                    products.q1 += vec4(dot(a0, b1), dot(a1, b1), dot(a2, b1), dot(a3, b1));
                }
                if (KEYS_EACH > 2u) {
                    let b2 = key_at(local.x + 2u * COLUMNS, u);
                    products.q2 += vec4(dot(a0, b2), dot(a1, b2), dot(a2, b2), dot(a3, b2));
                    let b3 = key_at(local.x + 3u * COLUMNS, u);
                    products.q3 += vec4(dot(a0, b3), dot(a1, b3), dot(a2, b3), dot(a3, b3));
                }
            }
#end
        }

        let key = first_key + local.x;
        let visible0 = visible(line, key, keys);
        let visible1 = visible(line, key + COLUMNS, keys);
        let visible2 = visible(line, key + 2u * COLUMNS, keys);
        let visible3 = visible(line, key + 3u * COLUMNS, keys);
        var larger = select(vec4(LOWEST), products.q0, visible0);
        if (KEYS_EACH > 1u) {
            larger = max(larger, select(vec4(LOWEST), products.q1, visible1));
        }
        if (KEYS_EACH > 2u) {
            larger = max(larger, select(vec4(LOWEST), products.q2, visible2));
            larger = max(larger, select(vec4(LOWEST), products.q3, visible3));
        }
        found[local.x][local.y] = larger;
        workgroupBarrier();
        larger = largest;
#for c COLUMNS
        larger = max(larger, found[$c][local.y]);
#end
        let rescaling = exp(largest - larger);
        largest = larger;
        let p0 = select(vec4(0.0), exp(products.q0 - larger), visible0);
        let to = vec2(local.x / 4u, local.x % 4u);
        scores[to.x][to.y][local.y] = p0;
        total = total * rescaling + p0;
        if (KEYS_EACH > 1u) {
            let p1 = select(vec4(0.0), exp(products.q1 - larger), visible1);
            scores[to.x + COLUMNS / 4u][to.y][local.y] = p1;
            total += p1;
        }
        if (KEYS_EACH > 2u) {
            let p2 = select(vec4(0.0), exp(products.q2 - larger), visible2);
            let p3 = select(vec4(0.0), exp(products.q3 - larger), visible3);
            scores[to.x + COLUMNS / 2u][to.y][local.y] = p2;
            scores[to.x + 3u * COLUMNS / 4u][to.y][local.y] = p3;
            total += p2 + p3;
        }

        // A unit that the head does not have reads the last one, and is not stored. Past the last key p is 0.
#for u UNITS_EACH
        sums$u = scaled(sums$u, rescaling);
        for (var begin = 0u; begin < KEYS; begin += VALUES) {
#for i VALUES_EACH
            var next$i = value$i;
#end
            if ($uu > 0u || begin > 0u) {
#for i VALUES_EACH
                next$i = v_at(v_base + min(first_key + begin + local.y + $iu * LINES, last_key) * params.v_stride
                    + 4u * min(first_unit + $uu * COLUMNS + local.x, units - 1u));
#end
                workgroupBarrier();
            }
#for i VALUES_EACH
            {
                let value = local.y + $iu * LINES;
                kv_tile[value / 4u][value % 4u][local.x / 8u][local.x % 8u] = next$i;
            }
#end
            workgroupBarrier();
            for (var four = 0u; four < VALUES / 4u; four += UNROLLED) {
#for f UNROLLED
                {
                    let p = &scores[begin / 4u + four + $fu];
                    let values = &kv_tile[four + $fu];
#for j 4
                    sums$u = added(sums$u, (*p)[$j][local.y], (*values)[$j][local.x / 8u][local.x % 8u]);
#end
                }
#end
            }
        }
#end
    }

    workgroupBarrier();
    found[local.x][local.y] = total;
    workgroupBarrier();
    total = vec4(0.0);
#for c COLUMNS
    total += found[$c][local.y];
#end
    let y_base = batch * params.queries * params.width + head;
#for u UNITS_EACH
    store_four(line, y_base, first_unit + $uu * COLUMNS + local.x, scaled(sums$u, 1.0 / total));
#end
}

// Rows of keys, in the tile that values share.
fn keep_key(key: u32, unit: u32, value: vec4<f32>) {
    let row = key % (4u * VALUE_ROWS);
    kv_tile[key / (4u * VALUE_ROWS)][row / VALUE_ROWS][row % VALUE_ROWS][unit] = value;
}

fn key_at(key: u32, unit: u32) -> vec4<f32> {
    let row = key % (4u * VALUE_ROWS);
    return kv_tile[key / (4u * VALUE_ROWS)][row / VALUE_ROWS][row % VALUE_ROWS][unit];
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
