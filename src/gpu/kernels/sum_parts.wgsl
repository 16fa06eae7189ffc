// y[m, o] = Σ_p parts[p, m, o], then epilogue.wgsl
// parts [P, M, O], O padded to a multiple of 4; M counts from first_row
// One thread one unit of four outputs of a row; UNROLLED parts are loaded at once. f32. Twin: sum_parts.rs.

struct Params {
    parts: u32,
    rows: u32,
    outputs: u32,
    units: u32,
    first_output: u32,
    terms: u32,
    added_rows: u32,
    added_first: u32,
    added_stride: u32,
    first_row: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> parts: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    let step = params.rows * params.units;
    if (i >= step) {
        return;
    }
    var sum = vec4(0.0);
    let last = params.parts - 1u;
    for (var part = 0u; part < params.parts; part += UNROLLED) {
#for p UNROLLED
        sum += select(vec4(0.0), parts[min(part + $pu, last) * step + i], part + $pu < params.parts);
#end
    }
    let unit = i % params.units;
    finish(params.first_row + i / params.units, unit, column_of(unit), sum);
}
