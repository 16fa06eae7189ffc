// y[b, i, j, o] = Σ_{t, c} x[b, i·stride + ky − top, j·stride + kx − left, c] · w[t, c, o], then epilogue.wgsl
// x [B, H, W, C]    w [taps, C, O] as in weight.wgsl, tap t = ky · kernel_width + kx    y [B, H', W', O] = [M, O]
// A workgroup makes a tile of 8·LINES rows of M by 8·COLUMNS outputs, a slab of 2·COLUMNS·GROUPS of K at a time. A thread makes 8 x 8 of
// it by outer products: for each 64 multiply-adds it reads 4 vectors of workgroup memory. COLUMNS is even. Of two groups of threads each
// takes every other half of a slab; the sums meet at the end. That is for products with so few tiles that threads are what lacks.
// Without SHARED_WEIGHTS a thread reads weights where they lie: for processors in disguise, to which workgroup memory is memory like any.
// Sums have names, as an array that a variable indexes need not lie in registers.
// Rows from first_row to end_row; the binding of x begins at pixel first_pixel. Sums of f32 in f32; int8 scales are applied to the sum.
// Where `doubled`, the convolution sees x twice as large, each pixel four times (nearest neighbours): x has half of height and width.
// With TWO_SOURCES, x is two tensors side by side along their channels. Both are what a UNet does on its way up, without a copy.
// While a slab is computed the next one is on its way from memory, in registers: there are too few threads for others to fill the wait.
// Nothing is loaded under a condition, after which a thread might wait for it: what is not there is a load of something else.
// PARTS: group.z says which part of K, for long sums in few tiles: y [parts, M, O], which sum_parts.wgsl adds up and finishes.
// Implicit GEMM: Chetlur et al. 2014, arXiv:1410.0759, section 3. Twin: conv2d.rs.
//
// WINOGRAD: a row of M is a tile of 2 x 2 output pixels, which looks at 4 x 4 of x. There are 16 products, of the tiles transformed and
// of the weights of winograd_weights.wgsl, and group.z says which. Sixteen sums instead of 36 make a tile: y [16, M, O], from which
// winograd_output.wgsl makes pixels and does the rest. An element of a transformed tile is a sum of four of its pixels, so it is made
// as x is loaded. Lavin & Gray 2016, arXiv:1509.09308, section 4.1, F(2 x 2, 3 x 3).

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
    // PARTS: how much of K each takes.
    part: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
// Of a pixel, which has so many units of four channels, one of them.
#if CHANNELS4
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;

fn x_at(pixel: u32, units: u32, unit: u32) -> vec4<f32> {
    return x[pixel * units + unit];
}
#endif
#if TWO_SOURCES
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> x2: array<vec4<f32>>;

fn x_at(pixel: u32, units: u32, unit: u32) -> vec4<f32> {
    if (unit < params.x_units) {
        return x[pixel * params.x_units + unit];
    }
    return x2[pixel * (units - params.x_units) + unit - params.x_units];
}
#endif
#if ODD_CHANNELS
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

fn x_at(pixel: u32, units: u32, unit: u32) -> vec4<f32> {
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

// Line and column of a kernel.
struct Tap {
    y: u32,
    x: u32,
}

fn next_tap(tap: Tap) -> Tap {
    let wraps = tap.x + 1u == params.kernel_width;
    return Tap(select(tap.y, tap.y + 1u, wraps), select(tap.x + 1u, 0u, wraps));
}

// The pixel of x that a tap of a window looks at, if it lies in the sample.
struct Looked {
    inside: bool,
    pixel: u32,
}

fn looked(window: Window, tap: Tap) -> Looked {
    let y = window.y + i32(tap.y);
    let x = window.x + i32(tap.x);
    let is_tap = tap.y * params.kernel_width < params.taps;
    let inside = is_tap && y >= 0 && y < i32(params.height) && x >= 0 && x < i32(params.width);
    let line = window.batch * (params.height >> params.doubled) + (u32(y) >> params.doubled);
    let pixel = line * (params.width >> params.doubled) + (u32(x) >> params.doubled);
    return Looked(window.inside && inside, pixel - params.first_pixel);
}

#if WINOGRAD
// The two lines (or columns) of a tile that line i of a transformed one is made of, and the sign of the second: B^T of the paper.
const TRANSFORM = array(vec3(0i, 2i, -1i), vec3(1i, 2i, 1i), vec3(2i, 1i, -1i), vec3(1i, 3i, -1i));

// Four pixels of x, and their signs; 0 for one outside of the sample.
struct Patch {
    pixels: vec4<u32>,
    signs: vec4<f32>,
}

fn corner(window: Window, line: i32, column: i32, sign: i32) -> vec2<i32> {
    let corner = looked(Window(window.inside, window.batch, window.y + line, window.x + column), Tap());
    return select(vec2(0i), vec2(i32(corner.pixel), sign), corner.inside);
}

fn patch_of(window: Window, product: u32) -> Patch {
    let lines = TRANSFORM[product / 4u];
    let columns = TRANSFORM[product % 4u];
    let a = corner(window, lines.x, columns.x, 1i);
    let b = corner(window, lines.x, columns.y, columns.z);
    let c = corner(window, lines.y, columns.x, lines.z);
    let d = corner(window, lines.y, columns.y, lines.z * columns.z);
    return Patch(vec4<u32>(vec4(a.x, b.x, c.x, d.x)), vec4<f32>(vec4(a.y, b.y, c.y, d.y)));
}

alias Seen = Patch;

fn seen_by(window: Window, tap: Tap, product: u32) -> Seen {
    return patch_of(window, product);
}

fn x_of(seen: Seen, units: u32, past_unit: u32) -> vec4<f32> {
    let unit = min(past_unit, units - 1u);
    return select(1.0, 0.0, past_unit >= units) * (seen.signs.x * x_at(seen.pixels.x, units, unit) + seen.signs.y * x_at(seen.pixels.y, units, unit)
        + seen.signs.z * x_at(seen.pixels.z, units, unit) + seen.signs.w * x_at(seen.pixels.w, units, unit));
}
#endif
#if TAPS
alias Seen = Looked;

fn seen_by(window: Window, tap: Tap, product: u32) -> Seen {
    return looked(window, tap);
}

fn x_of(seen: Seen, units: u32, unit: u32) -> vec4<f32> {
    return select(vec4(0.0), x_at(select(0u, seen.pixel, seen.inside), units, unit), seen.inside);
}
#endif

const THREADS = COLUMNS * LINES * GROUPS;
// Rows of the tile by four, and units of four outputs.
const TILE_FOURS = 2u * LINES;
const TILE_UNITS = 2u * COLUMNS;
const SLAB = 2u * COLUMNS * GROUPS;
const SLAB_UNITS = SLAB / 4u;

// [k][four rows].
var<workgroup> x_tile: array<vec4<f32>, SLAB * TILE_FOURS>;
#if SHARED_WEIGHTS
// [k][unit of four outputs]; at the end, what the groups give each other.
var<workgroup> w_tile: array<vec4<f32>, max(SLAB * TILE_UNITS, 8u * THREADS * (GROUPS - 1u))>;
#endif

#if SHARED_WEIGHTS
// What a thread loads of every slab of weights. Past the last input x is 0, and past the last output nothing is stored.
const WEIGHTS_EACH = (SLAB * TILE_UNITS + THREADS - 1u) / THREADS;

fn weights_of(slab: u32, depth: u32, first_weight: u32, first_unit: u32, thread: u32) -> array<vec4<f32>, WEIGHTS_EACH> {
    var loaded = array<vec4<f32>, WEIGHTS_EACH>();
    for (var i = 0u; i < WEIGHTS_EACH; i++) {
        let at = thread + i * THREADS;
        let k = min(slab + at / TILE_UNITS, depth - 1u);
        let unit = min(first_unit + at % TILE_UNITS, params.units - 1u);
        loaded[i] = weight_at(first_weight + k * params.units + unit);
    }
    return loaded;
}
#endif

@compute @workgroup_size(COLUMNS, LINES, GROUPS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let thread = (local.z * LINES + local.y) * COLUMNS + local.x;
    let channel_units = (params.channels + 3u) / 4u;
#if WINOGRAD
    let depth = 4u * channel_units;
    let first_weight = group.z * depth * params.units;
#endif
#if TAPS
    let depth = 4u * params.taps * channel_units;
    let first_weight = 0u;
#endif
#if PARTS
    let first_slab = group.z * params.part;
    let end_slab = min(depth, first_slab + params.part);
#else
    let first_slab = 0u;
    let end_slab = depth;
#endif

    // What this thread loads of every slab of x: one unit of four rows. The unit is a (tap, channel unit) that advances.
    let load_four = thread / SLAB_UNITS;
    let load_unit = thread % SLAB_UNITS;
    let tile = params.first_row + group.y * 8u * LINES;
    let load_row = tile + 4u * load_four;
    let window0 = window(load_row);
    let window1 = window(load_row + 1u);
    let window2 = window(load_row + 2u);
    let window3 = window(load_row + 3u);
    var channel_unit = first_slab / 4u + load_unit;
    var tap = Tap();
#if TAPS
    let first_tap = channel_unit / channel_units;
    tap = Tap(first_tap / params.kernel_width, first_tap % params.kernel_width);
    channel_unit %= channel_units;
#endif
    var seen0 = seen_by(window0, tap, group.z);
    var seen1 = seen_by(window1, tap, group.z);
    var seen2 = seen_by(window2, tap, group.z);
    var seen3 = seen_by(window3, tap, group.z);

    let first_unit = group.x * TILE_UNITS;
    let units = params.units;
    var a0 = vec4(0.0);
    var a1 = vec4(0.0);
    var a2 = vec4(0.0);
    var a3 = vec4(0.0);
    var a4 = vec4(0.0);
    var a5 = vec4(0.0);
    var a6 = vec4(0.0);
    var a7 = vec4(0.0);
    var b0 = vec4(0.0);
    var b1 = vec4(0.0);
    var b2 = vec4(0.0);
    var b3 = vec4(0.0);
    var b4 = vec4(0.0);
    var b5 = vec4(0.0);
    var b6 = vec4(0.0);
    var b7 = vec4(0.0);

    var row0 = x_of(seen0, channel_units, channel_unit);
    var row1 = x_of(seen1, channel_units, channel_unit);
    var row2 = x_of(seen2, channel_units, channel_unit);
    var row3 = x_of(seen3, channel_units, channel_unit);
#if SHARED_WEIGHTS
    var loaded = weights_of(first_slab, depth, first_weight, first_unit, thread);
#endif
    for (var slab = first_slab; slab < end_slab; slab += SLAB) {
        let to = 4u * load_unit * TILE_FOURS + load_four;
        x_tile[to] = vec4(row0.x, row1.x, row2.x, row3.x);
        x_tile[to + TILE_FOURS] = vec4(row0.y, row1.y, row2.y, row3.y);
        x_tile[to + 2u * TILE_FOURS] = vec4(row0.z, row1.z, row2.z, row3.z);
        x_tile[to + 3u * TILE_FOURS] = vec4(row0.w, row1.w, row2.w, row3.w);
        channel_unit += SLAB_UNITS;
#if TAPS
        if (channel_unit >= channel_units) {
            while (channel_unit >= channel_units) {
                channel_unit -= channel_units;
                tap = next_tap(tap);
            }
            seen0 = seen_by(window0, tap, group.z);
            seen1 = seen_by(window1, tap, group.z);
            seen2 = seen_by(window2, tap, group.z);
            seen3 = seen_by(window3, tap, group.z);
        }
#endif
#if SHARED_WEIGHTS
        for (var i = 0u; i < WEIGHTS_EACH; i++) {
            let at = thread + i * THREADS;
            if (at < SLAB * TILE_UNITS) {
                w_tile[at] = loaded[i];
            }
        }
#else
        var weights_at = first_weight + slab * units + first_unit + local.x;
#endif
        workgroupBarrier();

        if (slab + SLAB < end_slab) {
            row0 = x_of(seen0, channel_units, channel_unit);
            row1 = x_of(seen1, channel_units, channel_unit);
            row2 = x_of(seen2, channel_units, channel_unit);
            row3 = x_of(seen3, channel_units, channel_unit);
#if SHARED_WEIGHTS
            loaded = weights_of(slab + SLAB, depth, first_weight, first_unit, thread);
#endif
        }
        for (var k = local.z; k < SLAB; k += GROUPS) {
            let upper = x_tile[k * TILE_FOURS + 2u * local.y];
            let lower = x_tile[k * TILE_FOURS + 2u * local.y + 1u];
#if SHARED_WEIGHTS
            let a = w_tile[k * TILE_UNITS + local.x];
            let b = w_tile[k * TILE_UNITS + COLUMNS + local.x];
#else
            let a = weight_at(weights_at);
            let b = weight_at(weights_at + COLUMNS);
            weights_at += units;
#endif
            a0 = fma(vec4(upper.x), a, a0);
            a1 = fma(vec4(upper.y), a, a1);
            a2 = fma(vec4(upper.z), a, a2);
            a3 = fma(vec4(upper.w), a, a3);
            a4 = fma(vec4(lower.x), a, a4);
            a5 = fma(vec4(lower.y), a, a5);
            a6 = fma(vec4(lower.z), a, a6);
            a7 = fma(vec4(lower.w), a, a7);
            b0 = fma(vec4(upper.x), b, b0);
            b1 = fma(vec4(upper.y), b, b1);
            b2 = fma(vec4(upper.z), b, b2);
            b3 = fma(vec4(upper.w), b, b3);
            b4 = fma(vec4(lower.x), b, b4);
            b5 = fma(vec4(lower.y), b, b5);
            b6 = fma(vec4(lower.z), b, b6);
            b7 = fma(vec4(lower.w), b, b7);
        }
        workgroupBarrier();
    }

    let first_row = tile + 8u * local.y;
    let unit = first_unit + local.x;
    let sums_a = array(a0, a1, a2, a3, a4, a5, a6, a7);
    let sums_b = array(b0, b1, b2, b3, b4, b5, b6, b7);
#if ONE_GROUP
    finish_rows(first_row, group.z, unit, sums_a);
    finish_rows(first_row, group.z, unit + COLUMNS, sums_b);
#else
    // Each group finishes one of the two units.
    var kept = sums_a;
    var given = sums_b;
    if (local.z == 1u) {
        kept = sums_b;
        given = sums_a;
    }
    for (var r = 0u; r < 8u; r++) {
        w_tile[r * THREADS + thread] = given[r];
    }
    workgroupBarrier();
    let other = (thread + COLUMNS * LINES) % THREADS;
    for (var r = 0u; r < 8u; r++) {
        kept[r] += w_tile[r * THREADS + other];
    }
    finish_rows(first_row, group.z, unit + local.z * COLUMNS, kept);
#endif
}

fn finish_rows(first_row: u32, layer: u32, unit: u32, sums: array<vec4<f32>, 8>) {
    if (unit >= params.units) {
        return;
    }
    var left = sums;
#if RAW
    let rows = params.end_row - params.first_row;
    let to = (layer * rows + first_row - params.first_row) * params.units + unit;
#else
    let column = column_of(unit);
#endif
    for (var r = 0u; r < 8u; r++) {
        if (first_row + r < params.end_row) {
#if RAW
            y[to + r * params.units] = left[r];
#else
            finish(first_row + r, unit, column, left[r]);
#endif
        }
    }
}
