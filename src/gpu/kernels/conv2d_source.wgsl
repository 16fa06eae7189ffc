// What a row of M sees of x, a unit of four channels at a time; part of conv2d.wgsl.
// Where `doubled`, the convolution sees x twice as large, each pixel four times (nearest neighbours): x has half of height and width.
// With TWO_SOURCES, x is two tensors side by side along their channels. Both are what a UNet does on its way up, without a copy.
//
// WINOGRAD: a row of M is a tile of 2 x 2 output pixels, which looks at 4 x 4 of x. There are 16 products, of the tiles transformed and
// of the weights of winograd_weights.wgsl, and group.z says which. Sixteen sums instead of 36 make a tile: y [16, M, O], from which
// winograd_output.wgsl makes pixels and does the rest. An element of a transformed tile is a sum of four of its pixels, so it is made
// as x is loaded. Lavin & Gray 2016, arXiv:1509.09308, section 4.1, F(2 x 2, 3 x 3).

// Where a pixel of x, which has so many units of four channels, begins in each tensor; and one of its units.
#if CHANNELS4
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;

alias Place = u32;

fn place_of(pixel: u32, units: u32) -> Place {
    return pixel * units;
}

fn x_at(place: Place, unit: u32) -> vec4<f32> {
    return x[place + unit];
}
#endif
#if TWO_SOURCES
@group(0) @binding(1) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> x2: array<vec4<f32>>;

alias Place = vec2<u32>;

fn place_of(pixel: u32, units: u32) -> Place {
    return vec2(pixel * params.x_units, pixel * (units - params.x_units));
}

fn x_at(place: Place, unit: u32) -> vec4<f32> {
    if (unit < params.x_units) {
        return x[place.x + unit];
    }
    return x2[place.y + unit - params.x_units];
}
#endif
#if ODD_CHANNELS
@group(0) @binding(1) var<storage, read_write> x: array<f32>;

alias Place = u32;

fn place_of(pixel: u32, units: u32) -> Place {
    return pixel * params.channels;
}

fn x_at(place: Place, unit: u32) -> vec4<f32> {
    let at = place + 4u * unit;
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

// Line and column of a kernel.
struct Tap {
    y: u32,
    x: u32,
}

fn next_tap(tap: Tap) -> Tap {
    let wraps = tap.x + 1u == params.kernel_width;
    return Tap(select(tap.y, tap.y + 1u, wraps), select(tap.x + 1u, 0u, wraps));
}

// The pixel of x that a tap of a window looks at, if it lies in the sample.
struct Looked {
    inside: bool,
    pixel: u32,
}

fn looked(window: Window, tap: Tap) -> Looked {
    let y = window.y + i32(tap.y);
    let x = window.x + i32(tap.x);
    let is_tap = tap.y * params.kernel_width < params.taps;
    let inside = is_tap && y >= 0 && y < i32(params.height) && x >= 0 && x < i32(params.width);
    let line = window.batch * (params.height >> params.doubled) + (u32(y) >> params.doubled);
    let pixel = line * (params.width >> params.doubled) + (u32(x) >> params.doubled);
    return Looked(window.inside && inside, pixel - params.first_pixel);
}

#if WINOGRAD
// The two lines (or columns) of a tile that line i of a transformed one is made of, and the sign of the second: B^T of the paper.
const TRANSFORM = array(vec3(0i, 2i, -1i), vec3(1i, 2i, 1i), vec3(2i, 1i, -1i), vec3(1i, 3i, -1i));

// Four pixels of x, and their signs; 0 for one outside of the sample.
struct Patch {
    pixels: vec4<u32>,
    signs: vec4<f32>,
}

fn corner(window: Window, line: i32, column: i32, sign: i32) -> vec2<i32> {
    let corner = looked(Window(window.inside, window.batch, window.y + line, window.x + column), Tap());
    return select(vec2(0i), vec2(i32(corner.pixel), sign), corner.inside);
}

fn patch_of(window: Window, product: u32) -> Patch {
    let lines = TRANSFORM[product / 4u];
    let columns = TRANSFORM[product % 4u];
    let a = corner(window, lines.x, columns.x, 1i);
    let b = corner(window, lines.x, columns.y, columns.z);
    let c = corner(window, lines.y, columns.x, lines.z);
    let d = corner(window, lines.y, columns.y, lines.z * columns.z);
    return Patch(vec4<u32>(vec4(a.x, b.x, c.x, d.x)), vec4<f32>(vec4(a.y, b.y, c.y, d.y)));
}

alias Seen = Patch;

fn seen_by(window: Window, tap: Tap, units: u32, product: u32) -> Seen {
    return patch_of(window, product);
}

fn x_of(seen: Seen, units: u32, past_unit: u32) -> vec4<f32> {
    let unit = min(past_unit, units - 1u);
    return select(1.0, 0.0, past_unit >= units) * (seen.signs.x * x_at(place_of(seen.pixels.x, units), unit)
        + seen.signs.y * x_at(place_of(seen.pixels.y, units), unit)
        + seen.signs.z * x_at(place_of(seen.pixels.z, units), unit)
        + seen.signs.w * x_at(place_of(seen.pixels.w, units), unit));
}

fn masked(seen: Seen, x: vec4<f32>) -> vec4<f32> {
    return x;
}
#endif
#if TAPS
struct Seen {
    inside: bool,
    place: Place,
}

fn seen_by(window: Window, tap: Tap, units: u32, product: u32) -> Seen {
    let looked = looked(window, tap);
    return Seen(looked.inside, place_of(select(0u, looked.pixel, looked.inside), units));
}

fn x_of(seen: Seen, units: u32, unit: u32) -> vec4<f32> {
    return x_at(seen.place, unit);
}

fn masked(seen: Seen, x: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), x, seen.inside);
}
#endif
