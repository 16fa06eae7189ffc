// y[n] = table[id_n], for the ids among the rows of this piece of the table
// ids [count] holding integers    stored: `rows` rows of [V, D] from first_row on, as shards store them    y [count, D]
// One thread one element of y; ids are clamped into the table's V rows.
// f32.
// Twin: embedding.rs.

struct Params {
    count: u32,
    width: u32,
    table_rows: u32,
    first_row: u32,
    rows: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> ids: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
#if INT8
@group(0) @binding(4) var<storage, read_write> scales: array<f32>;
#endif
#if INT4
@group(0) @binding(4) var<storage, read_write> scales: array<u32>;
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i >= params.count * params.width) {
        return;
    }
    let row = u32(clamp(round(ids[i / params.width]), 0.0, f32(params.table_rows - 1u)));
    if (row < params.first_row || row >= params.first_row + params.rows) {
        return;
    }
    var value = value_at((row - params.first_row) * params.width + i % params.width);
#if INT8
    value *= scales[row];
#endif
#if INT4
    let scale = row * ((params.width + 31u) / 32u) + i % params.width / 32u;
    value *= half_of(scales[scale / 2u], scale);
#endif
    y[i] = value;
}
