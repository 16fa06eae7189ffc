// y[b] = sin(t_b · f_i) and cos(t_b · f_i), i < half, halves in the order asked for
// t [B]    frequencies [half]: f_i / 2π as (leading 12 bits, the rest)    y [B, 2 · half]
// One thread one (b, i).
// f32 with angles in turns, exact to 1e-7 turns up to t = 4096: sin and cos are only good near 0 on many devices.
// Vaswani et al. 2017, arXiv:1706.03762, section 3.5; polynomials: Taylor to x⁹ and x⁸ on |x| ≤ π/4. Twin: timestep_embedding.rs.

struct Params {
    batch: u32,
    half_width: u32,
    sine_at: u32,
    cosine_at: u32,
}

const TAU = 6.283185307179586;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> timesteps: array<f32>;
@group(0) @binding(2) var<storage, read_write> frequencies: array<vec2<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let n = id.y * workgroups.x * 64u + id.x;
    if (n >= params.batch * params.half_width) {
        return;
    }
    let b = n / params.half_width;
    let i = n % params.half_width;
    let t = timesteps[b];
    let whole = floor(t);
    let part = t - whole;
    let frequency = frequencies[i];
    // whole · frequency.x is exact: 12 bits times 12.
    let turns = fract(whole * frequency.x) + (whole * frequency.y + part * (frequency.x + frequency.y));
    // Quarter turns, and what is left of the angle, in −π/4 … π/4.
    let quarters = round(4.0 * turns);
    let x = TAU * (turns - 0.25 * quarters);
    let s = x * x;
    let sine = x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s / 362880.0))));
    let cosine = 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s / 40320.0)));
    var rotated = vec2(sine, cosine);
    switch i32(quarters) & 3 {
        case 1: { rotated = vec2(cosine, -sine); }
        case 2: { rotated = vec2(-sine, -cosine); }
        case 3: { rotated = vec2(-cosine, sine); }
        default: {}
    }
    let base = b * 2u * params.half_width + i;
    y[base + params.sine_at] = rotated.x;
    y[base + params.cosine_at] = rotated.y;
}
