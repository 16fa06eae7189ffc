// y[b, i, j] = x[b, ⌊i · H / H'⌋, ⌊j · W / W'⌋]
// x [B, H, W, C]    y [B, H', W', C]
// One thread one Element: four channels if C is a multiple of 4, else one. `channels` counts Elements.
// Exact.
// Nearest neighbour as PyTorch's `interpolate` defines it. Twin: upsample.rs.

struct Params {
    count: u32,
    channels: u32,
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    // The bindings of y and x begin at these pixels.
    first_out: u32,
    first_pixel: u32,
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
        let pixel = params.first_out + i / params.channels;
        let column = pixel % params.out_width * params.width / params.out_width;
        let row = pixel / params.out_width % params.out_height * params.height / params.out_height;
        let batch = pixel / (params.out_width * params.out_height);
        let from_pixel = (batch * params.height + row) * params.width + column - params.first_pixel;
        y[i] = x[from_pixel * params.channels + i % params.channels];
    }
}
