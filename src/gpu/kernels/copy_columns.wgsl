// y[row, to + i] = x[row, from + i] for i < len: concat, an operand at a time, and slice
// x [rows, x_width]    y [rows, y_width]
// One thread one Element: four entries if every width and offset is a multiple of 4, else one. All counts are in Elements.
// Exact.
// Twin: copy_columns.rs.

struct Params {
    count: u32,
    len: u32,
    x_width: u32,
    y_width: u32,
    from_column: u32,
    to_column: u32,
}

#if VECTORS
alias Element = vec4<f32>;
#else
alias Element = f32;
#endif

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<Element>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i < params.count) {
        let row = i / params.len;
        let column = i % params.len;
        y[row * params.y_width + params.to_column + column] = x[row * params.x_width + params.from_column + column];
    }
}
