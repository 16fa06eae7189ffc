// What the kernels of a convolution look at: x [B, H, W, C], four channels at a time, through windows that may reach beyond it.
// Where `doubled`, the convolution sees x twice as large, each pixel four times (nearest neighbours): x has half of height and width.
// With TWO_SOURCES, x is two tensors side by side along their channels. Both are what a UNet does on its way up, without a copy.

struct Params {
    height: u32,
    width: u32,
    channels: u32,
    out_height: u32,
    out_width: u32,
    outputs: u32,
    kernel_width: u32,
    taps: u32,
    stride: u32,
    top: u32,
    left: u32,
    end_row: u32,
    first_output: u32,
    units: u32,
    terms: u32,
    added_rows: u32,
    added_first: u32,
    added_stride: u32,
    first_row: u32,
    first_pixel: u32,
    doubled: u32,
    // TWO_SOURCES: units of four channels of x; those of x2 follow them.
    x_units: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
#if CHANNELS4
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    return x[pixel * (params.channels / 4u) + unit];
}
#endif
#if TWO_SOURCES
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> x2: array<vec4<f32>>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    if (unit < params.x_units) {
        return x[pixel * params.x_units + unit];
    }
    return x2[pixel * (params.channels / 4u - params.x_units) + unit - params.x_units];
}
#endif
#if ODD_CHANNELS
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

fn x_at(pixel: u32, unit: u32) -> vec4<f32> {
    let at = pixel * params.channels + 4u * unit;
    let left = vec4(params.channels - 4u * unit);
    return select(vec4(0.0), vec4(x[at], x[at + 1u], x[at + 2u], x[at + 3u]), left > vec4(0u, 1u, 2u, 3u));
}
#endif

// Where the window of an output pixel begins in its sample, and the sample.
struct Window {
    inside: bool,
    batch: u32,
    y: i32,
    x: i32,
}

fn window(row: u32) -> Window {
    let image = params.out_height * params.out_width;
    let pixel = row % image;
    let y = i32(pixel / params.out_width * params.stride) - i32(params.top);
    let x = i32(pixel % params.out_width * params.stride) - i32(params.left);
    return Window(row < params.end_row, row / image, y, x);
}

// The pixel of x under a tap, or -1 where that is outside.
fn pixel_through(window: Window, tap: u32) -> i32 {
    let y = window.y + i32(tap / params.kernel_width);
    let x = window.x + i32(tap % params.kernel_width);
    let inside = y >= 0 && y < i32(params.height) && x >= 0 && x < i32(params.width);
    let line = window.batch * (params.height >> params.doubled) + (u32(y) >> params.doubled);
    let pixel = line * (params.width >> params.doubled) + (u32(x) >> params.doubled);
    return select(-1, i32(pixel - params.first_pixel), window.inside && tap < params.taps && inside);
}

fn product(x: vec4<f32>, w0: vec4<f32>, w1: vec4<f32>, w2: vec4<f32>, w3: vec4<f32>) -> vec4<f32> {
    return x.x * w0 + x.y * w1 + x.z * w2 + x.w * w3;
}
