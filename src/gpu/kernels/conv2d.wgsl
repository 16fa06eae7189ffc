// y[b, i, j, o] = Σ_{t, c} x[b, i·stride + ky − top, j·stride + kx − left, c] · w[t, c, o], then epilogue.wgsl
// x [B, H, W, C]    w [taps, C, O] as in weight.wgsl, tap t = ky · kernel_width + kx    y [B, H', W', O] = [M, O]
// A workgroup of COLUMNS x LINES makes a tile of 8·LINES rows of M by 4·COLUMNS outputs, COLUMNS of K at a time; a thread 8 x 4 of it,
// for which it reads 12 vectors of workgroup memory for each 32 multiply-adds of vectors. COLUMNS is a multiple of 4, LINES no less.
// Rows from first_row to end_row; the binding of x begins at pixel first_pixel. Sums of f32 in f32; int8 scales are applied to the sum.
// Where `doubled`, the convolution sees x twice as large, each pixel four times (nearest neighbours): x has half of height and width.
// With TWO_SOURCES, x is two tensors side by side along their channels. Both are what a UNet does on its way up, without a copy.
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
    end_row: u32,
    first_output: u32,
    units: u32,
    terms: u32,
    added_rows: u32,
    added_first: u32,
    added_stride: u32,
    first_row: u32,
    first_pixel: u32,
    doubled: u32,
    // TWO_SOURCES: units of four channels of x; those of x2 follow them.
    x_units: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#if CHANNELS4
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    return x[pixel * (params.channels / 4u) + unit];
}
#endif
#if TWO_SOURCES
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> x2: array<vec4<f32>>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    if (unit < params.x_units) {
        return x[pixel * params.x_units + unit];
    }
    return x2[pixel * (params.channels / 4u - params.x_units) + unit - params.x_units];
}
#endif
#if ODD_CHANNELS
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    let at = pixel * params.channels + 4u * unit;
    let left = vec4(params.channels - 4u * unit);
    return select(vec4(0.0), vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]), left > vec4(0u, 1u, 2u, 3u));
}
#endif

// Where the window of an output pixel begins in its sample, and the sample.
struct Window {
    inside: bool,
    batch: u32,
    y: i32,
    x: i32,
}

fn window(row: u32) -> Window {
    let image = params.out_height * params.out_width;
    let pixel = row % image;
    let y = i32(pixel / params.out_width * params.stride) - i32(params.top);
    let x = i32(pixel % params.out_width * params.stride) - i32(params.left);
    return Window(row < params.end_row, row / image, y, x);
}

fn x_through(window: Window, tap: u32, unit: u32) -> vec4<f32> {
    let y = window.y + i32(tap / params.kernel_width);
    let x = window.x + i32(tap % params.kernel_width);
    let inside = y >= 0 && y < i32(params.height) && x >= 0 && x < i32(params.width);
    if (window.inside && tap < params.taps && inside) {
        let line = window.batch * (params.height >> params.doubled) + (u32(y) >> params.doubled);
        let pixel = line * (params.width >> params.doubled) + (u32(x) >> params.doubled);
        return x_at(pixel - params.first_pixel, unit);
    }
    return vec4(0.0);
}

const TILE_ROWS = 8u * LINES;
const SLAB_UNITS = COLUMNS / 4u;

// [unit of four k][row], so that a thread's rows lie together.
var<workgroup> x_tile: array<vec4<f32>, TILE_ROWS * SLAB_UNITS>;
// [k][unit of four outputs].
var<workgroup> w_tile: array<vec4<f32>, COLUMNS * COLUMNS>;

@compute @workgroup_size(COLUMNS, LINES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let thread = local.y * COLUMNS + local.x;
    let channel_units = (params.channels + 3u) / 4u;
    let depth = 4u * params.taps * channel_units;

    // What this thread loads of every slab of x: one unit of two rows, half a tile apart. The unit is a (tap, channel unit) that
    // advances.
    let load_row = thread / SLAB_UNITS;
    let load_unit = thread % SLAB_UNITS;
    let tile = params.first_row + group.y * TILE_ROWS;
    let upper = window(tile + load_row);
    let lower = window(tile + TILE_ROWS / 2u + load_row);
    var tap = load_unit / channel_units;
    var channel_unit = load_unit % channel_units;

    let output_unit = group.x * COLUMNS + local.x;
    var sums = array<vec4<f32>, 8>();

    for (var slab = 0u; slab < depth; slab += COLUMNS) {
        x_tile[load_unit * TILE_ROWS + load_row] = x_through(upper, tap, channel_unit);
        x_tile[load_unit * TILE_ROWS + TILE_ROWS / 2u + load_row] = x_through(lower, tap, channel_unit);
        channel_unit += SLAB_UNITS;
        while (channel_unit >= channel_units) {
            channel_unit -= channel_units;
            tap += 1u;
        }

        if (local.y < COLUMNS) {
            let k = slab + local.y;
            var weight = vec4(0.0);
            if (k < depth && output_unit < params.units) {
                weight = weight_at(k * params.units + output_unit);
            }
            w_tile[thread] = weight;
        }
        workgroupBarrier();

        for (var unit = 0u; unit < SLAB_UNITS; unit++) {
            let w_at = 4u * unit * COLUMNS + local.x;
            let w0 = w_tile[w_at];
            let w1 = w_tile[w_at + COLUMNS];
            let w2 = w_tile[w_at + 2u * COLUMNS];
            let w3 = w_tile[w_at + 3u * COLUMNS];
            let at = unit * TILE_ROWS + 8u * local.y;
            for (var r = 0u; r < 8u; r++) {
                sums[r] += product(x_tile[at + r], w0, w1, w2, w3);
            }
        }
        workgroupBarrier();
    }

    if (output_unit >= params.units) {
        return;
    }
    let first = tile + 8u * local.y;
    for (var r = 0u; r < 8u; r++) {
        if (first + r < params.end_row) {
            finish(first + r, output_unit, sums[r]);
        }
    }
}

fn product(x: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
    return x.x * w0 + x.y * w1 + x.z * w2 + x.w * w3;
}
