// y = activation(scale · x + shift)
// x, y: any shape, flat
// One thread four elements; the last may touch the padding that every tensor's memory has.
// f32.
// Twin: unary.rs.

struct Params {
    quads: u32,
    scale: f32,
    shift: f32,
}

override ACTIVATION: u32 = 0u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i < params.quads) {
        y[i] = activate(ACTIVATION, params.scale * x[i] + params.shift);
    }
}
