// y = a · gelu(b), x holding a then b
// x [rows, 2 D]    y [rows, D]
// One thread one Element: four entries of a row if D is a multiple of 4, else one. `width` counts Elements.
// f32.
// Shazeer 2020, arXiv:2002.05202. Twin: geglu.rs.

struct Params {
    count: u32,
    width: u32,
}

#if VECTORS
alias Element = vec4<f32>;
fn apply(a: Element, b: Element) -> Element { return a * gelu(b); }
#else
alias Element = f32;
fn apply(a: Element, b: Element) -> Element { return a * gelu(vec4(b)).x; }
#endif

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<Element>;
@group(0) @binding(2) var<storage, read_write> y: array<Element>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>) {
    let i = id.y * workgroups.x * 64u + id.x;
    if (i < params.count) {
        let at = i / params.width * 2u * params.width + i % params.width;
        y[i] = apply(x[at], x[at + params.width]);
    }
}
