// y = activation((x − mean) / √(variance + eps) · gamma + beta)
// x, y [B, P, C]    gamma, beta [C]    G divides C
// Line l of workgroup (s, n), counted from first_slice and first_group, takes slice s of the n · LINES + l th of the B · G groups; lane i
// its units i, i + LANES, … (unit.wgsl). Small groups share a workgroup; their channels lie side by side.
// SLICED: stats [B · G, slices, 2] come from group_norm_stats.wgsl; slices' means and squares are merged by Chan, Golub & LeVeque
// 1979, Eq. (2.1). Otherwise a group is one slice, of at most 16 KiB. HELD, its threads hold it, UNITS_HELD units each: one wait for memory.
// Else, where registers are memory too, it is read three times: the mean, the squares, the map.
// PARTS, which are HELD: x is made here of the parts of a product's long sums, as sum_parts.wgsl would make it: parts [S, B, P, C1], C1 the
// channels of x, and after them bias, and a row of `term` for added_rows pixels (ADDED) or the residual there (RESIDUAL). That saves a
// dispatch. KEPT: others read x too.
// f32.
// Wu & He 2018, arXiv:1803.08494, Eq. (1). Twin: group_norm.rs.

struct Params {
    pixels: u32,
    // Units of them, as are first_unit and x_units.
    channels: u32,
    groups: u32,
    slices: u32,
    slice_pixels: u32,
    first_slice: u32,
    first_group: u32,
    // The bindings of x and y begin here.
    first_unit: u32,
    eps: f32,
    // TWO_SOURCES: those of x; those of x2 follow them.
    x_units: u32,
    // PARTS: how many, and units of one.
    parts: u32,
    part_units: u32,
    terms: u32,
    added_rows: u32,
    added_first: u32,
    added_stride: u32,
}

override ACTIVATION: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<Unit>;
@group(0) @binding(2) var<storage, read_write> gamma: array<Unit>;
@group(0) @binding(3) var<storage, read_write> beta: array<Unit>;
@group(0) @binding(4) var<storage, read_write> y: array<Unit>;
#if SLICED
@group(0) @binding(5) var<storage, read_write> stats: array<vec2<f32>>;
#endif

#if TWO_SOURCES
@group(0) @binding(5) var<storage, read_write> x2: array<Unit>;

fn is_second(channel: u32) -> bool { return channel >= params.x_units; }
fn x2_at(pixel: u32, channel: u32) -> Unit {
    return x2[pixel * (params.channels - params.x_units) + channel - params.x_units];
}
#else
fn is_second(channel: u32) -> bool { return false; }
fn x2_at(pixel: u32, channel: u32) -> Unit { return Unit(); }
#endif

// Pixels count over all samples.
fn place_in_y(pixel: u32, channel: u32) -> u32 { return pixel * params.channels + channel - params.first_unit; }
fn place_in_x(pixel: u32, channel: u32) -> u32 { return pixel * params.x_units + channel - params.first_unit; }
fn x_at(pixel: u32, channel: u32) -> Unit {
    if (is_second(channel)) {
        return x2_at(pixel, channel);
    }
    return x[place_in_x(pixel, channel)];
}

#if PARTS
const HAS_BIAS = 1u;
const HAS_ADDED = 2u;
const HAS_RESIDUAL = 4u;
@group(0) @binding(6) var<storage, read_write> parts: array<Unit>;
@group(0) @binding(7) var<storage, read_write> bias: array<Unit>;
@group(0) @binding(8) var<storage, read_write> term: array<Unit>;

// What is added to the sum at a place of x.
fn terms_at(pixel: u32, channel: u32) -> Unit {
    var value = Unit();
    if ((params.terms & HAS_BIAS) != 0u) {
        value = bias[channel];
    }
    if ((params.terms & HAS_ADDED) != 0u) {
        value += term[pixel / params.added_rows * params.added_stride + params.added_first + channel];
    }
    if ((params.terms & HAS_RESIDUAL) != 0u) {
        value += term[pixel * params.x_units + channel];
    }
    return value;
}
#endif

@compute @workgroup_size(LANES, LINES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let width = params.channels / params.groups;
    let index = params.first_group + workgroup.y * LINES + local.y;
    let group = index % params.groups * width;
    let first = (params.first_slice + workgroup.x) * params.slice_pixels;
    let pixels = min(first + params.slice_pixels, params.pixels) - first;
    let base = index / params.groups * params.pixels + first;

    var mean = 0.0;
    var squares = 0.0;
    var merged = 0.0;
#if SLICED
    for (var slice = 0u; slice < params.slices; slice++) {
        let begin = slice * params.slice_pixels;
        let count = f32((min(begin + params.slice_pixels, params.pixels) - begin) * width * UNIT);
        let part = stats[index * params.slices + slice];
        let difference = part.x - mean;
        let both = merged + count;
        mean += difference * (count / both);
        squares += part.y + difference * difference * (merged * count / both);
        merged = both;
    }
#else
    merged = f32(pixels * width * UNIT);
    var sums = Unit();
    var at = start(local.x, width);
#if HELD
    // All loads come before anything else.
#for u UNITS_HELD
    let is_here$u = at.x < pixels;
    let pixel$u = base + min(at.x, pixels - 1u);
    let channel$u = group + at.y;
    let gamma$u = gamma[channel$u];
    let beta$u = beta[channel$u];
    at = next(at, width);
#end
#if PARTS
#for u UNITS_HELD
    let is_made$u = !is_second(channel$u);
    let place$u = pixel$u * params.x_units + min(channel$u, params.x_units - 1u);
    var x$u = Unit();
    if (is_made$u) {
        x$u = terms_at(pixel$u, channel$u);
    } else {
        x$u = x2_at(pixel$u, channel$u);
    }
#end
    for (var part = 0u; part < params.parts; part += UNROLLED) {
#for p UNROLLED
        {
            let layer = min(part + $pu, params.parts - 1u) * params.part_units;
            let is_part = part + $pu < params.parts;
#for u UNITS_HELD
            x$u += select(Unit(), parts[layer + place$u], is_part && is_made$u);
#end
        }
#end
    }
#if KEPT
#for u UNITS_HELD
    if (is_here$u && is_made$u) {
        x[place_in_x(pixel$u, channel$u)] = x$u;
    }
#end
#endif
#else
#for u UNITS_HELD
    let x$u = x_at(pixel$u, channel$u);
#end
#endif
#for u UNITS_HELD
    sums += select(Unit(), x$u, is_here$u);
#end
    mean = sum_over_line(local.xy, sum_of(sums), 0u) / merged;
    sums = Unit();
#for u UNITS_HELD
    let centred$u = select(Unit(), x$u - mean, is_here$u);
    sums += centred$u * centred$u;
#end
#else
    while (at.x < pixels) {
        sums += x_at(base + at.x, group + at.y);
        at = next(at, width);
    }
    mean = sum_over_line(local.xy, sum_of(sums), 0u) / merged;
    sums = Unit();
    at = start(local.x, width);
    while (at.x < pixels) {
        let centred = x_at(base + at.x, group + at.y) - mean;
        sums += centred * centred;
        at = next(at, width);
    }
#endif
    squares = sum_over_line(local.xy, sum_of(sums), 1u);
#endif
    let scale = inverseSqrt(squares / merged + params.eps);

#if HELD
#for u UNITS_HELD
    if (is_here$u) {
        y[place_in_y(pixel$u, channel$u)] = activated(ACTIVATION, centred$u * scale * gamma$u + beta$u);
    }
#end
#else
    for (var at = start(local.x, width); at.x < pixels;) {
        // All loads come before the first store, as y might be x for all that a compiler knows.
#for u UNROLLED
        let is_here$u = at.x < pixels;
        let pixel$u = base + min(at.x, pixels - 1u);
        let channel$u = group + at.y;
        let x$u = x_at(pixel$u, channel$u);
        let gamma$u = gamma[channel$u];
        let beta$u = beta[channel$u];
        at = next(at, width);
#end
#for u UNROLLED
        if (is_here$u) {
            y[place_in_y(pixel$u, channel$u)] = activated(ACTIVATION, (x$u - mean) * scale * gamma$u + beta$u);
        }
#end
    }
#endif
}
