// w[4i + j, c, o] = Σ_{k, l} G[i, k] · G[j, l] · stored[o, c, k, l], G = (1 0 0; ½ ½ ½; ½ −½ ½; 0 0 1)
// stored [O, C, 3, 3]    w [16, C, O] as in weight.wgsl; C and O are multiples of 4
// One thread one unit of four outputs of all sixteen.
// f32. Sums and halves of nine weights: a rounding or two.
// Lavin & Gray 2016, arXiv:1509.09308, section 4.1. Twin: winograd.rs.

struct Params {
    outputs: u32,
    channels: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> w: array<vec4<f32>>;

// The four outputs' weights of one tap.
fn taps_at(unit: u32, channel: u32, tap: u32) -> vec4<f32> {
    var taps = vec4(0.0);
    for (var j = 0u; j < 4u; j++) {
        taps[j] = value_at(((4u * unit + j) * params.channels + channel) * 9u + tap);
    }
    return taps;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    let units = params.outputs / 4u;
    let step = params.channels * units;
    if (i >= step) {
        return;
    }
    // A column of the kernel at a time: four lines of it transformed.
    for (var column = 0u; column < 3u; column++) {
        let a = taps_at(i % units, i / units, column);
        let b = taps_at(i % units, i / units, 3u + column);
        let c = taps_at(i % units, i / units, 6u + column);
        add(i, step, column, 0u, a);
        add(i, step, column, 1u, 0.5 * (a + b + c));
        add(i, step, column, 2u, 0.5 * (a - b + c));
        add(i, step, column, 3u, c);
    }
}

// What a column of line `line` adds to the line's four transformed columns; the first column comes first.
fn add(i: u32, step: u32, column: u32, line: u32, value: vec4<f32>) {
    let to = 4u * line * step + i;
    switch column {
        case 0u: {
            w[to] = value;
            w[to + step] = 0.5 * value;
            w[to + 2u * step] = 0.5 * value;
        }
        case 1u: {
            w[to + step] += 0.5 * value;
            w[to + 2u * step] -= 0.5 * value;
        }
        default: {
            w[to + step] += 0.5 * value;
            w[to + 2u * step] += 0.5 * value;
            w[to + 3u * step] = value;
        }
    }
}
