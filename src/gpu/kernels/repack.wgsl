// w[t, c, o] = stored[o, c, t]: diffusers' layout to the one of weight.wgsl, in the same storage type
// stored [O, C, taps]    w [taps, C', O' / 4] units of four outputs; C' and O' are C and O rounded up to 4, with zeros
// One thread one unit, or two of int4, which make a word. Rows of w are row_units long, and these outputs begin at first_unit of them: a
// matrix may be one of several side by side.
// With `half`, outputs o and half + o are of one number and its gate (geglu.wgsl), and a unit has two of each: a thread that sums it has
// all it needs for two results.
// Exact: bits are moved.
// Twin: repack.rs.

struct Params {
    threads: u32,
    outputs: u32,
    channels: u32,
    taps: u32,
    first_unit: u32,
    row_units: u32,
    half: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> w: array<u32>;

// The bits of unit u's four elements.
fn unit_at(u: u32, output_units: u32) -> vec4<u32> {
    let padded = (params.channels + 3u) / 4u * 4u;
    let first = u % output_units * 4u;
    let k = u / output_units;
    let channel = k % padded;
    let tap = k / padded;
    var bits = vec4(0u);
    for (var j = 0u; j < 4u; j++) {
        let output = select(first + j, first / 2u + j % 2u + j / 2u * params.half, params.half > 0u);
        if (channel < params.channels && output < params.outputs) {
            bits[j] = bits_at((output * params.channels + channel) * params.taps + tap);
        }
    }
    return bits;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let thread = id.y * workgroups.x * 64u + id.x;
    if (thread >= params.threads) {
        return;
    }
    let output_units = (params.outputs + 3u) / 4u;
#if INT4
    let u = 2u * thread;
#else
    let u = thread;
#endif
    let bits = unit_at(u, output_units);
    let to = u / output_units * params.row_units + params.first_unit + u % output_units;
#if F32
    w[4u * to] = bits.x;
    w[4u * to + 1u] = bits.y;
    w[4u * to + 2u] = bits.z;
    w[4u * to + 3u] = bits.w;
#endif
#if F16
    w[2u * to] = bits.x | (bits.y << 16u);
    w[2u * to + 1u] = bits.z | (bits.w << 16u);
#endif
#if INT8
    w[to] = bits.x | (bits.y << 8u) | (bits.z << 16u) | (bits.w << 24u);
#endif
#if INT4
    let low = bits | (unit_at(u + 1u, output_units) << vec4(16u));
    w[to / 2u] = low.x | (low.y << 4u) | (low.z << 8u) | (low.w << 12u);
#endif
}
