// A weight in kernel layout: element (k, o) of [K, O], four consecutive outputs o at a time (a unit).
// K = taps · C, O and C padded to multiples of 4 with zeros. Unit u = k · ⌈O / 4⌉ + o / 4 takes four words of
// f32, two of f16, or one of int8, whose scales (one an output) are applied after the sum.

#if F32
@group(0) @binding(2) var<storage, read_write> weights: array<vec4<f32>>;

fn weight_at(unit: u32) -> vec4<f32> {
    return weights[unit];
}
#endif
#if F16
@group(0) @binding(2) var<storage, read_write> weights: array<vec2<u32>>;

fn weight_at(unit: u32) -> vec4<f32> {
    let halves = weights[unit];
    return vec4(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
#endif
#if INT8
@group(0) @binding(2) var<storage, read_write> weights: array<u32>;

// The bytes as integers; snorm divides by 127.
fn weight_at(unit: u32) -> vec4<f32> {
    return 127.0 * unpack4x8snorm(weights[unit]);
}
#endif
