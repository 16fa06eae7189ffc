// What follows the sum of products in conv2d and linear:
//
//   y = last(activation(scale · sum + bias + added) + residual)
//
// scale [O] (int8 only), bias [O], residual and y [M, O]; absent terms are skipped. added has a row for each added_rows rows of y:
// O entries from added_first on, of the added_stride that a row of its memory has.
// GATED, the outputs are numbers and their gates by turns (repack.wgsl): y [M, O / 2] = a · gelu(b) as in geglu.wgsl, and of the other
// terms there may be a scale and a bias.
// Four consecutive outputs at a time; their loads may run past the end of a tensor whose O is no multiple of 4,
// where WGSL promises some value and no fault, and what was computed from it is not stored.
// The bindings of residual and y begin at row params.first_row.

override ACTIVATION: u32 = 0u;
override LAST_ACTIVATION: u32 = 0u;

const HAS_BIAS = 1u;
const HAS_ADDED = 2u;
const HAS_RESIDUAL = 4u;

// What all rows of four outputs have in common.
struct Column {
    scale: vec4<f32>,
    bias: vec4<f32>,
}

#if INT8
@group(0) @binding(3) var<storage, read_write> scales: array<vec4<f32>>;

fn scales_at(i: u32) -> vec4<f32> { return scales[i / 4u]; }
#else
fn scales_at(i: u32) -> vec4<f32> { return vec4(1.0); }
#endif
#if OUTPUTS4
@group(0) @binding(4) var<storage, read_write> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> added: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> residual: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec4<f32>>;

fn bias_at(i: u32) -> vec4<f32> { return bias[i / 4u]; }
fn added_at(i: u32) -> vec4<f32> { return added[i / 4u]; }
fn residual_at(i: u32) -> vec4<f32> { return residual[i / 4u]; }
fn store(i: u32, count: u32, value: vec4<f32>) { y[i / 4u] = value; }
#endif
#if ODD_OUTPUTS
@group(0) @binding(4) var<storage, read_write> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> added: array<f32>;
@group(0) @binding(6) var<storage, read_write> residual: array<f32>;
@group(0) @binding(7) var<storage, read_write> y: array<f32>;

fn bias_at(i: u32) -> vec4<f32> { return vec4(bias[i], bias[i + 1u], bias[i + 2u], bias[i + 3u]); }
fn added_at(i: u32) -> vec4<f32> { return vec4(added[i], added[i + 1u], added[i + 2u], added[i + 3u]); }
fn residual_at(i: u32) -> vec4<f32> {
    return vec4(residual[i], residual[i + 1u], residual[i + 2u], residual[i + 3u]);
}
fn store(i: u32, count: u32, value: vec4<f32>) {
    y[i] = value.x;
    if (count > 1u) { y[i + 1u] = value.y; }
    if (count > 2u) { y[i + 2u] = value.z; }
    if (count > 3u) { y[i + 3u] = value.w; }
}
#endif

#if GATED
@group(0) @binding(4) var<storage, read_write> bias: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read_write> y: array<vec2<f32>>;

// Entries i and i + 1, i even, of the four that have them.
fn two(i: u32, four: vec4<f32>) -> vec2<f32> { return select(four.xy, four.zw, i % 4u == 2u); }

fn column_of(unit: u32) -> Column {
    let a = 2u * unit;
    let b = params.outputs + a;
    var column = Column(vec4(two(a, scales_at(a)), two(b, scales_at(b))), vec4(0.0));
    if ((params.terms & HAS_BIAS) != 0u) {
        column.bias = vec4(two(a, bias[a / 4u]), two(b, bias[b / 4u]));
    }
    return column;
}

fn finish(row: u32, unit: u32, column: Column, sum: vec4<f32>) {
    let a = 2u * unit;
    let value = sum * column.scale + column.bias;
    y[((row - params.first_row) * params.outputs + a) / 2u] = value.xy * gelu(value).zw;
}
#else
// `unit` counts from the first output of this dispatch, params.first_output.
fn column_of(unit: u32) -> Column {
    var column = Column(scales_at(4u * unit), vec4(0.0));
    if ((params.terms & HAS_BIAS) != 0u) {
        column.bias = bias_at(params.first_output + 4u * unit);
    }
    return column;
}

fn finish(row: u32, unit: u32, column: Column, sum: vec4<f32>) {
    let output = params.first_output + 4u * unit;
    let at = (row - params.first_row) * params.outputs + output;
    var value = sum * column.scale + column.bias;
    if ((params.terms & HAS_ADDED) != 0u) {
        value += added_at(row / params.added_rows * params.added_stride + params.added_first + output);
    }
    value = activate(ACTIVATION, value);
    if ((params.terms & HAS_RESIDUAL) != 0u) {
        value += residual_at(at);
    }
    store(at, params.outputs - output, activate(LAST_ACTIVATION, value));
}
#endif
