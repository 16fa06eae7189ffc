// A weight in kernel layout: element (k, o) of [K, O], four consecutive outputs o at a time (a unit).
// K = taps · C, O and C padded to multiples of 4 with zeros. Unit u = k · ⌈O / 4⌉ + o / 4 takes four words of
// f32, two of f16, or one of int8, whose scales (one an output) are applied after the sum.

#if F32
@group(0) @binding(2) var<storage, read_write> weights: array<vec4<f32>>;
alias Stored = vec4<f32>;

fn weight_of(stored: Stored) -> vec4<f32> {
    return stored;
}
#endif
#if F16
@group(0) @binding(2) var<storage, read_write> weights: array<vec2<u32>>;
alias Stored = vec2<u32>;

fn weight_of(stored: Stored) -> vec4<f32> {
    return vec4(unpack2x16float(stored.x), unpack2x16float(stored.y));
}
#endif
#if INT8
@group(0) @binding(2) var<storage, read_write> weights: array<u32>;
alias Stored = u32;

fn weight_of(stored: Stored) -> vec4<f32> {
    return from_bytes(stored);
}
#endif
// Four integers of 8 bits.
#if MANY_THREADS
fn from_bytes(bytes: u32) -> vec4<f32> {
    return vec4<f32>((vec4(i32(bytes)) << vec4(24u, 16u, 8u, 0u)) >> vec4(24u));
}
#else
// Processors in disguise take less for this, though it divides by 127.
fn from_bytes(bytes: u32) -> vec4<f32> {
    return 127.0 * unpack4x8snorm(bytes);
}
#endif
#if IN_F16
// By which a sum of products is multiplied before its scales: integers would soon add up to what f16 cannot hold.
#if INT8
const FACTOR = 128.0;
#else
const FACTOR = 1.0;
#endif

fn factors_of(stored: Stored) -> vec4<f16> {
    return vec4<f16>(weight_of(stored) / FACTOR);
}
#endif
