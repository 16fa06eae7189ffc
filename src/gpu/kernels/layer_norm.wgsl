// y = activation((x − mean) / √(variance + eps) · gamma + beta), mean and variance over the last axis
// x, y [rows, D]    gamma, beta [D]
// One workgroup a row; lane i visits elements i, i + LANES, …
// f32, in two passes over the row: Σ x² − D mean² would cancel.
// Ba et al. 2016, arXiv:1607.06450, Eq. (3). Twin: layer_norm.rs.

struct Params {
    rows: u32,
    width: u32,
    eps: f32,
}

override ACTIVATION: u32 = 0u;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> beta: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = workgroup.y * workgroups.x + workgroup.x;
    // The whole workgroup leaves together, so that the barriers below stay uniform.
    if (row >= params.rows) {
        return;
    }
    let base = row * params.width;
    var sum = 0.0;
    for (var i = lane; i < params.width; i += LANES) {
        sum += x[base + i];
    }
    let mean = sum_over_workgroup(lane, sum) / f32(params.width);
    var squares = 0.0;
    for (var i = lane; i < params.width; i += LANES) {
        let centred = x[base + i] - mean;
        squares += centred * centred;
    }
    let variance = sum_over_workgroup(lane, squares) / f32(params.width);
    let scale = inverseSqrt(variance + params.eps);
    for (var i = lane; i < params.width; i += LANES) {
        let value = (x[base + i] - mean) * scale * gamma[i] + beta[i];
        y[base + i] = activate(ACTIVATION, vec4(value)).x;
    }
}
