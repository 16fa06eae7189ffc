// y[m, o] = Σ_c x[m, c] · w[c, o], then epilogue.wgsl; for few rows (time embeddings, pooled vectors)
// x [M, C]    w [C, O] as in weight.wgsl    y [M, O]
// A workgroup makes ROWS rows of 4·16 outputs; its 8 lines of 16 threads take every eighth c and add up at the end.
// Sums of f32 in f32; int8 scales are applied to the sum, those of int4 to each weight.
// Many rows are conv2d.wgsl's with one tap. Twin: linear.rs.

struct Params {
    channels: u32,
    outputs: u32,
    rows: u32,
    first_output: u32,
    units: u32,
    terms: u32,
    added_rows: u32,
    added_first: u32,
    added_stride: u32,
    first_row: u32,
}

const ROWS = 4u;
const COLUMNS = 16u;
const LINES = 8u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

var<workgroup> partial: array<vec4<f32>, 512>;

@compute @workgroup_size(COLUMNS, LINES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let unit = group.x * COLUMNS + local.x;
    let first = group.y * ROWS;
#for r 4
    var sum$r = vec4(0.0);
    let x$r = min(first + $ru, params.rows - 1u) * params.channels;
#end
    if (unit < params.units) {
        for (var c = local.y; c < params.channels; c += UNROLLED * LINES) {
#for u UNROLLED
            {
                let past = c + $uu * LINES;
                let here = min(past, params.channels - 1u);
#if INT4
                let stored = stored_at(here * params.units + unit, here / GROUP_CHANNELS * params.units + unit);
                let weight = select(vec4(0.0), weight_of(stored), past < params.channels);
#else
                let weight = select(vec4(0.0), weight_of(weights[here * params.units + unit]), past < params.channels);
#endif
                sum0 += x[x0 + here] * weight;
                sum1 += x[x1 + here] * weight;
                sum2 += x[x2 + here] * weight;
                sum3 += x[x3 + here] * weight;
            }
#end
        }
    }
#for r 4
    partial[($ru * LINES + local.y) * COLUMNS + local.x] = sum$r;
#end
    workgroupBarrier();
    // Line r adds up row r.
    let row = first + local.y;
    if (local.y < ROWS && row < params.rows && unit < params.units) {
        var sum = vec4(0.0);
        for (var line = 0u; line < LINES; line++) {
            sum += partial[(local.y * LINES + line) * COLUMNS + local.x];
        }
        finish(row, unit, column_of(unit), sum);
    }
}
