// out[offset + i] = Σ_n coefficient_n · tensor_n[offset_n + i], i < len, n < terms ≤ 6
// out and each tensor: flat. A tensor that several terms read is bound once; slot 6 is `out` itself.
// One thread one element.
// f32, terms added in order.
// Twin: combine.rs.

struct Params {
    len: u32,
    offset: u32,
    terms: u32,
    padding: u32,
    // slot, offset, bits of the coefficient, unused
    term: array<vec4<u32>, 6>,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> tensor0: array<f32>;
@group(0) @binding(2) var<storage, read_write> tensor1: array<f32>;
@group(0) @binding(3) var<storage, read_write> tensor2: array<f32>;
@group(0) @binding(4) var<storage, read_write> tensor3: array<f32>;
@group(0) @binding(5) var<storage, read_write> tensor4: array<f32>;
@group(0) @binding(6) var<storage, read_write> tensor5: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

fn element(slot: u32, i: u32) -> f32 {
    switch slot {
        case 0u: { return tensor0[i]; }
        case 1u: { return tensor1[i]; }
        case 2u: { return tensor2[i]; }
        case 3u: { return tensor3[i]; }
        case 4u: { return tensor4[i]; }
        case 5u: { return tensor5[i]; }
        default: { return out[i]; }
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i >= params.len) {
        return;
    }
    var sum = 0.0;
    for (var n = 0u; n < params.terms; n++) {
        let term = params.term[n];
        sum += bitcast<f32>(term.z) * element(term.x, term.y + i);
    }
    out[params.offset + i] = sum;
}
