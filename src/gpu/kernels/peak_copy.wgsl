// y = x: what a device's memory can do, to measure the other kernels by
// x, y: flat, a whole number of workgroups long
// One thread four elements, neighbours beside each other.
// Bits are moved as they are. Twin: peak_copy.rs.

struct Params {
    quads: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if (id.x < params.quads) {
        y[id.x] = x[id.x];
    }
}
