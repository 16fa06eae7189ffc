// What a workgroup of conv2d.wgsl has of x and of the weights in its memory: a slab of K of a tile of y.

const THREADS = COLUMNS * LINES * GROUPS;
// Units of four outputs.
const TILE_UNITS = UNITS_EACH * COLUMNS;
const SLAB = 4u * COLUMNS * GROUPS / FOURS;
// Of a slab, what a group of threads takes.
const SHARE = SLAB / GROUPS;
const SLAB_UNITS = SLAB / 4u;
const SHARE_UNITS = SHARE / 4u;
// Lines of x's tile are turned by the unit that they are of, so that threads that load units side by side store them in banks of their own.
#if MANY_THREADS
const TURNS = min(LINES, 8u);
#else
const TURNS = 1u;
#endif
// Inputs by which two weights that a thread loads of a slab are apart, a multiple of four.
const WEIGHT_STEP = THREADS / TILE_UNITS;

// Vectors of the sums of a group, and of all groups but the first.
const GROUP_SUMS = 4u * FOURS * UNITS_EACH * COLUMNS * LINES;
const GIVEN = GROUP_SUMS * (GROUPS - 1u);

// What is multiplied.
#if IN_F16
alias Four = vec4<f16>;
#else
alias Four = vec4<f32>;
#endif

// The tiles are arrays in arrays, as an index is checked for each: those that are constants, or the same in all turns of a loop, cost
// nothing.
#if IN_INT8
// Four inputs are a word, and [group][word][line][fours of rows][one of four].
const SLAB_WORDS = SLAB / 4u;
var<workgroup> x_tile: array<array<array<array<vec4<u32>, FOURS>, LINES>, WORDS>, GROUPS>;
// [group][word][unit of a thread][column]
var<workgroup> w_tile: array<array<array<array<vec4<u32>, COLUMNS>, UNITS_EACH>, WORDS>, GROUPS>;
// What the largest in each word of a row is, [word][four rows]; and a row's scale.
var<workgroup> largest: array<vec4<f32>, SLAB_WORDS * FOURS * LINES>;
var<workgroup> x_scales: array<array<vec4<f32>, FOURS>, LINES>;
#else
// [group][four of K][one of them][line][fours of rows][one of four]
var<workgroup> x_tile: array<array<array<array<array<Four, FOURS>, LINES>, 4>, SHARE_UNITS>, GROUPS>;
#if MANY_THREADS
// [group][four of K][one of them][unit of a thread][column]
var<workgroup> w_tile: array<array<array<array<array<Four, COLUMNS>, UNITS_EACH>, 4>, SHARE_UNITS>, GROUPS>;
#endif
#endif
#if ONE_GROUP
#else
#if NARROWED
// What the other groups give the first.
var<workgroup> given: array<vec4<f32>, GIVEN>;

fn give(i: u32, sum: vec4<f32>) { given[i] = sum; }
fn given_at(i: u32) -> vec4<f32> { return given[i]; }
#else
// What the other groups give the first lies where x did.
fn give(i: u32, sum: vec4<f32>) {
    let unit = i / (4u * LINES);
    x_tile[unit / SHARE_UNITS][unit % SHARE_UNITS][i / LINES % 4u][i % LINES][0] = sum;
}

fn given_at(i: u32) -> vec4<f32> {
    let unit = i / (4u * LINES);
    return x_tile[unit / SHARE_UNITS][unit % SHARE_UNITS][i / LINES % 4u][i % LINES][0];
}
#endif
#endif

#if IN_INT8
// Products of four inputs of a row with those of four outputs.
fn dots(row: u32, four: vec4<u32>) -> vec4<i32> {
    return vec4(dot4I8Packed(row, four.x), dot4I8Packed(row, four.y), dot4I8Packed(row, four.z), dot4I8Packed(row, four.w));
}

fn largest_of(x: vec4<f32>) -> f32 {
    let sizes = abs(x);
    return max(max(sizes.x, sizes.y), max(sizes.z, sizes.w));
}

// Of four words with four outputs each, byte by byte, four words with four inputs each.
fn turned(inputs: vec4<u32>) -> vec4<u32> {
    let low = (inputs.xz & vec2(0x00ff00ffu)) | ((inputs.yw & vec2(0x00ff00ffu)) << vec2(8u));
    let high = ((inputs.xz >> vec2(8u)) & vec2(0x00ff00ffu)) | (inputs.yw & vec2(0xff00ff00u));
    return vec4(
        (low.x & 0xffffu) | (low.y << 16u),
        (high.x & 0xffffu) | (high.y << 16u),
        (low.x >> 16u) | (low.y & 0xffff0000u),
        (high.x >> 16u) | (high.y & 0xffff0000u),
    );
}
#else
// Four rows of a unit of channels, as the tile has them.
fn keep_rows(to: vec4<u32>, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) {
    let four = &x_tile[to.x][to.y];
    (*four)[0][to.z][to.w] = Four(vec4(a.x, b.x, c.x, d.x));
    (*four)[1][to.z][to.w] = Four(vec4(a.y, b.y, c.y, d.y));
    (*four)[2][to.z][to.w] = Four(vec4(a.z, b.z, c.z, d.z));
    (*four)[3][to.z][to.w] = Four(vec4(a.w, b.w, c.w, d.w));
}
#endif
