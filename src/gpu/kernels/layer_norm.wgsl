// y = activation((x − mean) / √(variance + eps) · gamma + beta), mean and variance over the last axis
// x, y [rows, D]    gamma, beta [D]
// A workgroup takes LINES rows; lane i of a row its units i, i + LANES, … (unit.wgsl)
// f32, in two passes over the row: Σ x² − D mean² would cancel. UNROLLED units are loaded at once.
// Ba et al. 2016, arXiv:1607.06450, Eq. (3). Twin: layer_norm.rs.

struct Params {
    rows: u32,
    // Units of D.
    width: u32,
    eps: f32,
}

override ACTIVATION: u32 = 0u;
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<Unit>;
@group(0) @binding(2) var<storage, read_write> gamma: array<Unit>;
@group(0) @binding(3) var<storage, read_write> beta: array<Unit>;
@group(0) @binding(4) var<storage, read_write> y: array<Unit>;

@compute @workgroup_size(LANES, LINES)
fn main(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(num_workgroups) workgroups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let row = (workgroup.y * workgroups.x + workgroup.x) * LINES + local.y;
    // Rows past the end have nothing to read, but meet the others at the barriers.
    let width = select(0u, params.width, row < params.rows);
    let base = row * params.width;
    let count = f32(params.width * UNIT);
    var sum = Unit();
    for (var i = local.x; i < width; i += UNROLLED * LANES) {
#for u UNROLLED
        sum += select(Unit(), x[base + min(i + $uu * LANES, width - 1u)], i + $uu * LANES < width);
#end
    }
    let mean = sum_over_line(local.xy, sum_of(sum), 0u) / count;
    var squares = Unit();
    for (var i = local.x; i < width; i += UNROLLED * LANES) {
#for u UNROLLED
        let centred$u = select(Unit(), x[base + min(i + $uu * LANES, width - 1u)] - mean, i + $uu * LANES < width);
        squares += centred$u * centred$u;
#end
    }
    let variance = sum_over_line(local.xy, sum_of(squares), 1u) / count;
    let scale = inverseSqrt(variance + params.eps);
    for (var i = local.x; i < width; i += UNROLLED * LANES) {
        // All loads come before the first store, as y might be x for all that a compiler knows.
#for u UNROLLED
        let at$u = min(i + $uu * LANES, width - 1u);
        let x$u = x[base + at$u];
        let gamma$u = gamma[at$u];
        let beta$u = beta[at$u];
#end
#for u UNROLLED
        if (i + $uu * LANES < width) {
            y[base + at$u] = activated(ACTIVATION, (x$u - mean) * scale * gamma$u + beta$u);
        }
#end
    }
}
