// y[r, i] = scale[r] · stored[r, i]; scale is 1 except for int8, and scale[r, i / group] for int4
// stored [rows, width]    scales [rows], or [rows, ⌈width / group⌉] in f16    y [rows, width] in f32
// One thread one element.
// f32.
// For biases, norms and whatever else is not a matrix. Twin: unpack.rs.

struct Params {
    count: u32,
    width: u32,
    first_row: u32,
#if INT4
    group: u32,
#endif
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
#if INT8
@group(0) @binding(3) var<storage, read_write> scales: array<f32>;
#endif
#if INT4
@group(0) @binding(3) var<storage, read_write> scales: array<u32>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i < params.count) {
        var value = value_at(i);
#if INT8
        value *= scales[params.first_row + i / params.width];
#endif
#if INT4
        let groups = (params.width + params.group - 1u) / params.group;
        let scale = (params.first_row + i / params.width) * groups + i % params.width / params.group;
        value *= half_of(scales[scale / 2u], scale);
#endif
        y[params.first_row * params.width + i] = value;
    }
}
