// mean[s] = Σ x / n    squares[s] = Σ (x − mean[s])²    over slice s of the pixels of one sample and group
// x [B, P, C]    stats [B · G, slices, 2]    G divides C; n = (pixels of the slice) · C / G
// Workgroup (s, b · G + g), counted from first_slice and first_group, takes that slice; lane i its units i, i + LANES, … (unit.wgsl).
// f32, in two passes over the data: Σ x² − n mean² would cancel.
// Wu & He 2018, arXiv:1803.08494, Eq. (1). Twin: group_norm.rs.

struct Params {
    pixels: u32,
    // Units of them, as is first_unit.
    channels: u32,
    groups: u32,
    slices: u32,
    slice_pixels: u32,
    first_slice: u32,
    first_group: u32,
    // The binding of x begins here.
    first_unit: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<Unit>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let width = params.channels / params.groups;
    let slice = params.first_slice + workgroup.x;
    let group = params.first_group + workgroup.y;
    let first = slice * params.slice_pixels;
    let pixels = min(first + params.slice_pixels, params.pixels) - first;
    let count = f32(pixels * width * UNIT);
    let base = (group / params.groups * params.pixels + first) * params.channels
        + group % params.groups * width - params.first_unit;

    var sums = Unit();
    for (var at = start(lane, width); at.x < pixels;) {
#for u UNROLLED
        sums += select(Unit(), x[base + min(at.x, pixels - 1u) * params.channels + at.y], at.x < pixels);
        at = next(at, width);
#end
    }
    let mean = sum_over_line(vec2(lane, 0u), sum_of(sums), 0u) / count;
    sums = Unit();
    for (var at = start(lane, width); at.x < pixels;) {
#for u UNROLLED
        let centred$u = select(Unit(), x[base + min(at.x, pixels - 1u) * params.channels + at.y] - mean, at.x < pixels);
        sums += centred$u * centred$u;
        at = next(at, width);
#end
    }
    let squares = sum_over_line(vec2(lane, 0u), sum_of(sums), 1u);
    if (lane == 0u) {
        stats[group * params.slices + slice] = vec2(mean, squares);
    }
}
