// y[i] = Σ_k z_k after ROUNDS rounds of z_k = a z_k + b, from z_k = i + k: what a device's arithmetic can do, to measure
// the other kernels by
// y: one element a thread; a, b: scalars
// A thread has 12 chains that do not depend on each other, three of vec4, so that one waits for no other, and few enough
// for the 16 vector registers of a processor in disguise. A round is 8 multiply-adds of each: 96, beside which the
// loop's own count is little. No memory is touched but by the last store.
// f32. Twin: peak_fma.rs.

struct Params {
    rounds: u32,
    a: f32,
    b: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

#if FUSED
fn step(z: vec4<f32>, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return fma(z, a, b);
}
#else
fn step(z: vec4<f32>, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return z * a + b;
}
#endif

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = vec4(params.a);
    let b = vec4(params.b);
    var z0 = vec4(f32(id.x)) + vec4(0.0, 1.0, 2.0, 3.0);
    var z1 = z0 + vec4(4.0);
    var z2 = z0 + vec4(8.0);
    for (var round = 0u; round < params.rounds; round++) {
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
        z0 = step(z0, a, b);
        z1 = step(z1, a, b);
        z2 = step(z2, a, b);
    }
    y[id.x] = dot(z0 + z1 + z2, vec4(1.0));
}
