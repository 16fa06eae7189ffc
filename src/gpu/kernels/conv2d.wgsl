// y[b, i, j, o] = Σ_{t, c} x[b, i·stride + ky − top, j·stride + kx − left, c] · w[t, c, o], then epilogue.wgsl
// x [B, H, W, C]    w [taps, C, O] as in weight.wgsl, tap t = ky · kernel_width + kx    y [B, H', W', O] = [M, O]
// A workgroup of SIDE x SIDE makes a tile of 4·SIDE rows of M by 4·SIDE outputs, SIDE of K at a time; a thread 4 x 4 of it.
// Sums of f32 in f32; int8 scales are applied to the sum.
// Implicit GEMM: Chetlur et al. 2014, arXiv:1410.0759, section 3. Twin: conv2d.rs.

struct Params {
    height: u32,
    width: u32,
    channels: u32,
    out_height: u32,
    out_width: u32,
    outputs: u32,
    kernel_width: u32,
    taps: u32,
    stride: u32,
    top: u32,
    left: u32,
    rows: u32,
    first_output: u32,
    units: u32,
    terms: u32,
    added_rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#if CHANNELS4
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    return x[pixel * (params.channels / 4u) + unit];
}
#else
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    let at = pixel * params.channels + 4u * unit;
    let left = vec4(params.channels - 4u * unit);
    return select(vec4(0.0), vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]), left > vec4(0u, 1u, 2u, 3u));
}
#endif

// [unit of four k][row], so that a thread's four rows lie together.
var<workgroup> x_tile: array<vec4<f32>, SIDE * SIDE>;
// [k][unit of four outputs].
var<workgroup> w_tile: array<vec4<f32>, SIDE * SIDE>;

@compute @workgroup_size(SIDE, SIDE)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let thread = local.y * SIDE + local.x;
    let tile_rows = 4u * SIDE;
    let slab_units = SIDE / 4u;
    let channel_units = (params.channels + 3u) / 4u;
    let depth = 4u * params.taps * channel_units;

    // The one unit of x that this thread loads of every slab: a fixed row, and a (tap, channel unit) that advances.
    let load_row = thread / slab_units;
    let load_unit = thread % slab_units;
    let row = group.y * tile_rows + load_row;
    let image = params.out_height * params.out_width;
    let batch = row / image;
    let pixel = row % image;
    let origin_y = i32(pixel / params.out_width * params.stride) - i32(params.top);
    let origin_x = i32(pixel % params.out_width * params.stride) - i32(params.left);
    var tap = load_unit / channel_units;
    var channel_unit = load_unit % channel_units;

    let output_unit = group.x * SIDE + local.x;
    var sum0 = vec4(0.0);
    var sum1 = vec4(0.0);
    var sum2 = vec4(0.0);
    var sum3 = vec4(0.0);

    for (var slab = 0u; slab < depth; slab += SIDE) {
        var loaded = vec4(0.0);
        if (row < params.rows && tap < params.taps) {
            let at_y = origin_y + i32(tap / params.kernel_width);
            let at_x = origin_x + i32(tap % params.kernel_width);
            if (at_y >= 0 && at_y < i32(params.height) && at_x >= 0 && at_x < i32(params.width)) {
                loaded = x_at((batch * params.height + u32(at_y)) * params.width + u32(at_x), channel_unit);
            }
        }
        x_tile[load_unit * tile_rows + load_row] = loaded;
        channel_unit += slab_units;
        while (channel_unit >= channel_units) {
            channel_unit -= channel_units;
            tap += 1u;
        }

        let k = slab + local.y;
        var weight = vec4(0.0);
        if (k < depth && output_unit < params.units) {
            weight = weight_at(k * params.units + output_unit);
        }
        w_tile[thread] = weight;
        workgroupBarrier();

        for (var unit = 0u; unit < slab_units; unit++) {
            let base = unit * tile_rows + 4u * local.y;
            let x0 = x_tile[base];
            let x1 = x_tile[base + 1u];
            let x2 = x_tile[base + 2u];
            let x3 = x_tile[base + 3u];
            let w_at = 4u * unit * SIDE + local.x;
            let w0 = w_tile[w_at];
            let w1 = w_tile[w_at + SIDE];
            let w2 = w_tile[w_at + 2u * SIDE];
            let w3 = w_tile[w_at + 3u * SIDE];
            sum0 += x0.x * w0 + x0.y * w1 + x0.z * w2 + x0.w * w3;
            sum1 += x1.x * w0 + x1.y * w1 + x1.z * w2 + x1.w * w3;
            sum2 += x2.x * w0 + x2.y * w1 + x2.z * w2 + x2.w * w3;
            sum3 += x3.x * w0 + x3.y * w1 + x3.z * w2 + x3.w * w3;
        }
        workgroupBarrier();
    }

    if (output_unit >= params.units) {
        return;
    }
    let first = group.y * tile_rows + 4u * local.y;
    if (first < params.rows) { finish(first, output_unit, sum0); }
    if (first + 1u < params.rows) { finish(first + 1u, output_unit, sum1); }
    if (first + 2u < params.rows) { finish(first + 2u, output_unit, sum2); }
    if (first + 3u < params.rows) { finish(first + 3u, output_unit, sum3); }
}
