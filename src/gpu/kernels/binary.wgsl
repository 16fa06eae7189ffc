// y = activation(x + z), or activation(x · z) with MULTIPLY
// x, y: any shape, flat    z: the same shape (SAME_SHAPE), or extents of 1 that repeat: runs of equal axes are merged
// into at most 8, outermost first; the stride of an axis that repeats is 0.
// One thread four elements, of those from first_quad on, where the bindings of x and y begin. f32.
// Twin: binary.rs.

struct Params {
    quads: u32,
    axes: u32,
    first_quad: u32,
    extents: array<vec4<u32>, 2>,
    strides: array<vec4<u32>, 2>,
}

override ACTIVATION: u32 = 0u;
override MULTIPLY: bool = false;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;
#if SAME_SHAPE
@group(0) @binding(2) var<storage, read_write> z: array<vec4<f32>>;

fn z_at(quad: u32) -> vec4<f32> { return z[quad]; }
#else
@group(0) @binding(2) var<storage, read_write> z: array<f32>;

fn one_at(i: u32) -> f32 {
    var rest = i;
    var at = 0u;
    for (var axis = params.axes; axis > 0u; axis--) {
        let a = axis - 1u;
        let extent = params.extents[a / 4u][a % 4u];
        at += rest % extent * params.strides[a / 4u][a % 4u];
        rest /= extent;
    }
    return z[at];
}

fn z_at(quad: u32) -> vec4<f32> {
    let i = 4u * (params.first_quad + quad);
    return vec4(one_at(i), one_at(i + 1u), one_at(i + 2u), one_at(i + 3u));
}
#endif

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i < params.quads) {
        let a = x[i];
        let b = z_at(i);
        y[i] = activate(ACTIVATION, select(a + b, a * b, MULTIPLY));
    }
}
