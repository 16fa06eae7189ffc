// y of the 2 x 2 pixels of a tile = A^T m A, then epilogue.wgsl; A^T = (1 1 1 0; 0 1 −1 −1)
// m [16, tiles, O], 4 · line + column first    y [B, H, W, O]: the tile at (i, j) of ⌈H / 2⌉ x ⌈W / 2⌉ makes pixels from (2i, 2j) on
// One thread one unit of four outputs of a tile. Tiles from first_tile on; the bindings of y and residual begin at pixel first_row.
// f32.
// Lavin & Gray 2016, arXiv:1509.09308, section 4.1. Twin: winograd.rs.

struct Params {
    count: u32,
    first_tile: u32,
    height: u32,
    width: u32,
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
@group(0) @binding(1) var<storage, read_write> m: array<vec4<f32>>;

// A line of m, its four columns made two.
fn pair(at: u32, step: u32) -> array<vec4<f32>, 2> {
    let a = m[at];
    let b = m[at + step];
    let c = m[at + 2u * step];
    let d = m[at + 3u * step];
    return array(a + b + c, b - c - d);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    let step = params.count * params.units;
    if (i >= step) {
        return;
    }
    let line0 = pair(i, step);
    let line1 = pair(i + 4u * step, step);
    let line2 = pair(i + 8u * step, step);
    let line3 = pair(i + 12u * step, step);
    let tile = params.first_tile + i / params.units;
    let across = (params.width + 1u) / 2u;
    let down = (params.height + 1u) / 2u;
    let line = 2u * (tile / across % down);
    let column = 2u * (tile % across);
    let row = (tile / across / down * params.height + line) * params.width + column;
    let unit = i % params.units;
    let terms = column_of(unit);
    let has_right = column + 1u < params.width;
    finish(row, unit, terms, line0[0] + line1[0] + line2[0]);
    if (has_right) {
        finish(row + 1u, unit, terms, line0[1] + line1[1] + line2[1]);
    }
    if (line + 1u < params.height) {
        finish(row + params.width, unit, terms, line1[0] - line2[0] - line3[0]);
        if (has_right) {
            finish(row + params.width + 1u, unit, terms, line1[1] - line2[1] - line3[1]);
        }
    }
}
