// out[offset + i] = factor · Σ_n coefficient_n · tensor_n[offset_n + i], i < len, n < terms ≤ 6
// factor = 1, or RESCALED: 1 + rescale (deviation of the elements of tensor_0 / deviation of the sums − 1)
// out and each tensor: flat. A tensor that several terms read is bound once; slot 6 is `out` itself.
// One thread one element; RESCALED, which few models want, one workgroup for all.
// f32, terms added in order; deviations in two passes over the data.
// Lin et al. 2023, arXiv:2305.08891, Eqs. (15) and (16), with the first term as what the prompt alone gives.
// Twin: combine.rs.

struct Params {
    len: u32,
    offset: u32,
    terms: u32,
    rescale: f32,
    // slot, offset, bits of the coefficient, unused
    term: array<vec4<u32>, 6>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> tensor0: array<f32>;
@group(0) @binding(2) var<storage, read_write> tensor1: array<f32>;
@group(0) @binding(3) var<storage, read_write> tensor2: array<f32>;
@group(0) @binding(4) var<storage, read_write> tensor3: array<f32>;
@group(0) @binding(5) var<storage, read_write> tensor4: array<f32>;
@group(0) @binding(6) var<storage, read_write> tensor5: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

fn element(slot: u32, i: u32) -> f32 {
    switch slot {
        case 0u: { return tensor0[i]; }
        case 1u: { return tensor1[i]; }
        case 2u: { return tensor2[i]; }
        case 3u: { return tensor3[i]; }
        case 4u: { return tensor4[i]; }
        case 5u: { return tensor5[i]; }
        default: { return out[i]; }
    }
}

fn combination(i: u32) -> f32 {
    var sum = 0.0;
    for (var n = 0u; n < params.terms; n++) {
        let term = params.term[n];
        sum += bitcast<f32>(term.z) * element(term.x, term.y + i);
    }
    return sum;
}

#if RESCALED
@compute @workgroup_size(LANES)
fn main(@builtin(local_invocation_index) lane: u32) {
    let first = params.term[0];
    var given = 0.0;
    var combined = 0.0;
    for (var i = lane; i < params.len; i += LANES) {
        let sum = combination(i);
        out[params.offset + i] = sum;
        given += element(first.x, first.y + i);
        combined += sum;
    }
    let given_mean = sum_over_line(vec2(lane, 0u), given, 0u) / f32(params.len);
    let combined_mean = sum_over_line(vec2(lane, 0u), combined, 1u) / f32(params.len);
    var given_squares = 0.0;
    var combined_squares = 0.0;
    for (var i = lane; i < params.len; i += LANES) {
        let of_given = element(first.x, first.y + i) - given_mean;
        let of_combined = out[params.offset + i] - combined_mean;
        given_squares += of_given * of_given;
        combined_squares += of_combined * of_combined;
    }
    given_squares = sum_over_line(vec2(lane, 0u), given_squares, 0u);
    combined_squares = sum_over_line(vec2(lane, 0u), combined_squares, 1u);
    let factor = 1.0 + params.rescale * (sqrt(given_squares / combined_squares) - 1.0);
    for (var i = lane; i < params.len; i += LANES) {
        out[params.offset + i] *= factor;
    }
}
#else
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i < params.len) {
        out[params.offset + i] = combination(i);
    }
}
#endif
