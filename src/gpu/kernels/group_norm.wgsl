// y = activation((x − mean) / √(variance + eps) · gamma + beta)
// x, y [B, P, C]    gamma, beta [C]    stats [B · G, slices, 2] from group_norm_stats.wgsl    G divides C
// Workgroup (s, b · G + g), counted from first_slice and first_group, takes that slice; lane i its elements i, i + LANES, …
// f32; slices' means and squares are merged by Chan, Golub & LeVeque 1979, Eq. (2.1).
// Wu & He 2018, arXiv:1803.08494, Eq. (1). Twin: group_norm.rs.

struct Params {
    pixels: u32,
    channels: u32,
    groups: u32,
    slices: u32,
    slice_pixels: u32,
    first_slice: u32,
    first_group: u32,
    // The bindings of x and y begin here.
    first_element: u32,
    eps: f32,
}

override ACTIVATION: u32 = 0u;
const LANES = 64u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> stats: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let width = params.channels / params.groups;
    let index = params.first_group + workgroup.y;

    var mean = 0.0;
    var squares = 0.0;
    var merged = 0.0;
    for (var slice = 0u; slice < params.slices; slice++) {
        let first = slice * params.slice_pixels;
        let count = f32((min(first + params.slice_pixels, params.pixels) - first) * width);
        let part = stats[index * params.slices + slice];
        let difference = part.x - mean;
        let total = merged + count;
        mean += difference * (count / total);
        squares += part.y + difference * difference * (merged * count / total);
        merged = total;
    }
    let scale = inverseSqrt(squares / merged + params.eps);

    let first = (params.first_slice + workgroup.x) * params.slice_pixels;
    let pixels = min(first + params.slice_pixels, params.pixels) - first;
    let group = index % params.groups * width;
    let base = (index / params.groups * params.pixels + first) * params.channels + group - params.first_element;
    // Element i is channel i % width of pixel i / width; both advance without a division.
    var channel = lane % width;
    for (var pixel = lane / width; pixel < pixels; pixel += LANES / width) {
        let at = base + pixel * params.channels + channel;
        let value = (x[at] - mean) * scale * gamma[group + channel] + beta[group + channel];
        y[at] = activate(ACTIVATION, vec4(value)).x;
        channel += LANES % width;
        if (channel >= width) {
            channel -= width;
            pixel += 1u;
        }
    }
}
