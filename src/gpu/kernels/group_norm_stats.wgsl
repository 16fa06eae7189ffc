// mean[s] = Σ x / n    squares[s] = Σ (x − mean[s])²    over slice s of the pixels of one sample and group
// x [B, P, C]    stats [B · G, slices, 2]    G divides C; n = (pixels of the slice) · C / G
// Workgroup (s, b · G + g) takes slice s of group g of sample b; lane i its elements i, i + LANES, …
// f32, in two passes over the data: Σ x² − n mean² would cancel.
// Wu & He 2018, arXiv:1803.08494, Eq. (1). Twin: group_norm.rs.

struct Params {
    pixels: u32,
    channels: u32,
    groups: u32,
    slices: u32,
    slice_pixels: u32,
}

const LANES = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> stats: array<vec2<f32>>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let width = params.channels / params.groups;
    let sample = workgroup.y / params.groups;
    let group = workgroup.y % params.groups;
    let first = workgroup.x * params.slice_pixels;
    let count = (min(first + params.slice_pixels, params.pixels) - first) * width;
    let base = (sample * params.pixels + first) * params.channels + group * width;

    var sum = 0.0;
    for (var i = lane; i < count; i += LANES) {
        sum += x[base + i / width * params.channels + i % width];
    }
    let mean = sum_over_workgroup(lane, sum) / f32(count);
    var squares = 0.0;
    for (var i = lane; i < count; i += LANES) {
        let centred = x[base + i / width * params.channels + i % width] - mean;
        squares += centred * centred;
    }
    squares = sum_over_workgroup(lane, squares);
    if (lane == 0u) {
        stats[workgroup.y * params.slices + workgroup.x] = vec2(mean, squares);
    }
}
