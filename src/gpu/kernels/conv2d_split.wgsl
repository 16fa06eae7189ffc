// y[b, i, j, o] = Σ_{t, c} x[b, i·stride + ky − top, j·stride + kx − left, c] · w[t, c, o], then epilogue.wgsl; for small pictures
// x [B, H, W, C]    w [taps, C, O] as in weight.wgsl    y [B, H', W', O] = [M, O]
// A workgroup makes 16 rows of M by 16 outputs: a tile so small that a layer of few rows still fills a device. Its 8 slices of 8
// threads share out the channels of each tap, four at a time in turn, and add up at the end; a thread holds 8 rows x 4 outputs.
// For every four channels a thread loads 8 vectors of x and 4 of w for 32 vector FMAs. They come from the cache: eight slices read
// eight neighbouring units of channels, and the loop has no barrier. conv2d.wgsl loads less where there are rows enough for its tiles.
// Sums of f32 in f32; int8 scales are applied to the sum. Twin: conv2d.rs.

const ROWS = 16u;
const UNITS = 4u;
const SLICES = 8u;

// [slice][row][unit of four outputs].
var<workgroup> partial: array<vec4<f32>, 512>;

@compute @workgroup_size(8, SLICES)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let column = local.x % UNITS;
    let half = local.x / UNITS * 8u;
    let slice = local.y;
    let channel_units = (params.channels + 3u) / 4u;
    let tile = params.first_row + group.y * ROWS;
    let output_unit = group.x * UNITS + column;

    var windows = array<Window, 8>();
    for (var r = 0u; r < 8u; r++) {
        windows[r] = window(tile + half + r);
    }
    var sums = array<vec4<f32>, 8>();
    if (output_unit < params.units) {
        for (var tap = 0u; tap < params.taps; tap++) {
            var pixels = array<i32, 8>();
            for (var r = 0u; r < 8u; r++) {
                pixels[r] = pixel_through(windows[r], tap);
            }
            for (var unit = slice; unit < channel_units; unit += SLICES) {
                let at = 4u * (tap * channel_units + unit) * params.units + output_unit;
                let w0 = weight_at(at);
                let w1 = weight_at(at + params.units);
                let w2 = weight_at(at + 2u * params.units);
                let w3 = weight_at(at + 3u * params.units);
                for (var r = 0u; r < 8u; r++) {
                    let x = select(vec4(0.0), x_at(u32(max(pixels[r], 0)), unit), pixels[r] >= 0);
                    sums[r] += product(x, w0, w1, w2, w3);
                }
            }
        }
    }
    for (var r = 0u; r < 8u; r++) {
        partial[(slice * ROWS + half + r) * UNITS + column] = sums[r];
    }
    workgroupBarrier();

    let thread = slice * 8u + local.x;
    let row = tile + thread / UNITS;
    let unit = group.x * UNITS + thread % UNITS;
    if (row < params.end_row && unit < params.units) {
        var sum = vec4(0.0);
        for (var s = 0u; s < SLICES; s++) {
            sum += partial[s * ROWS * UNITS + thread];
        }
        finish(row, unit, sum);
    }
}
