//! Convolutions and linear maps of many rows, as a product of matrices; see conv2d.wgsl.

use std::ops::Range;

use super::epilogue::Epilogue;
use super::repack::MatrixShape;
use super::sum_parts::{self, Parts};
use super::winograd::PRODUCTS;
use super::{ALIGNED, Binding, Dispatch, IN_F16, Kernel, MAX_WORKGROUPS, Source, Variant};
use crate::executor::Arithmetic;
use crate::weights::DType;

/// Extents of a convolution. A linear map of `M` rows is one of `M` pictures of one pixel.
#[derive(Debug, Clone, Copy)]
pub struct Conv2dShape {
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
    pub kernel_width: usize,
    pub stride: usize,
    pub top: usize,
    pub left: usize,
    /// `x` is seen twice as large, by nearest neighbours: `height` and `width` are those that the convolution sees.
    pub doubled: bool,
    /// Whether the device has more threads than a small product has tiles.
    pub many_threads: bool,
    pub matrix: MatrixShape,
}

impl Conv2dShape {
    /// A linear map of `rows` rows.
    pub fn linear(rows: usize, matrix: MatrixShape) -> Self {
        Self {
            batch: rows,
            height: 1,
            width: 1,
            out_height: 1,
            out_width: 1,
            kernel_width: 1,
            stride: 1,
            top: 0,
            left: 0,
            doubled: false,
            many_threads: false,
            matrix,
        }
    }

    /// Pixels of `x` in memory.
    pub fn pixels(&self) -> usize {
        let halving = usize::from(self.doubled);
        self.batch * (self.height >> halving) * (self.width >> halving)
    }

    /// Rows of the product: output pixels.
    pub fn rows(&self) -> usize {
        self.batch * self.out_height * self.out_width
    }
}

/// Rows `first_output ..` of a matrix in kernel layout. Large matrices come in several pieces.
#[derive(Debug, Clone)]
pub struct MatrixPiece {
    pub first_output: usize,
    pub shape: MatrixShape,
    pub packed: Binding,
    /// `[O]` for int8; for int4 as weight.wgsl has them.
    pub scales: Binding,
}

/// The shape of a workgroup: threads along the outputs and along the rows, groups of threads that share the inputs of a sum, and what a
/// thread makes: fours of rows, and units of four outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tile {
    columns: usize,
    lines: usize,
    groups: usize,
    fours: usize,
    units_each: usize,
}

/// Threads make 8 x 8: the fewest bytes to load for what they compute.
const fn broad(columns: usize, lines: usize) -> Tile {
    Tile { columns, lines, groups: 1, fours: 2, units_each: 2 }
}

/// Threads make 4 x 4: the most threads.
const fn fine(columns: usize, lines: usize, groups: usize) -> Tile {
    Tile { columns, lines, groups, fours: 1, units_each: 1 }
}

/// Where there are many tiles. Six columns are for the 40 or 48 channels of autoencoders for small pictures.
const LARGE: [Tile; 3] = [broad(8, 16), broad(6, 16), broad(4, 16)];
/// Where there are fewer.
const MEDIUM: [Tile; 2] = [broad(8, 8), broad(6, 8)];
/// Where a device has more to keep busy than these have threads.
const SMALL: [Tile; 2] = [fine(8, 8, 2), fine(6, 8, 2)];
/// For few outputs: latents, colours.
const NARROW: Tile = fine(2, 16, 4);
const NARROW_UNITS: usize = 4;
/// Tiles that keep a large device busy.
const ENOUGH_TILES: usize = 128;

/// The same of a processor in disguise, which has no threads to keep busy, and none to waste on rows that are not there.
const SOFTWARE: [Tile; 2] = [broad(8, 4), broad(6, 4)];
const SOFTWARE_NARROW: Tile = broad(2, 16);
const SOFTWARE_LOW: [Tile; 2] = [SOFTWARE[1], SOFTWARE[0]];
const SOFTWARE_FEW: [Tile; 2] = [broad(16, 1), broad(12, 1)];
const FEW_ROWS: usize = 8;

/// Threads that keep a large device busy. Where all tiles of a product have fewer, its sums are made in parts, at most so many, as each is
/// written and read again, and of no fewer inputs: twice as many if a dispatch has to add them up.
const ENOUGH_THREADS: usize = 1 << 16;
const MOST_PARTS: usize = 32;
const LEAST_PART: usize = 128;

/// The most rows of a product that one dispatch takes, whatever its outputs: as many as the lowest tile of those for many rows.
pub const fn most_rows(many_threads: bool) -> usize {
    let lowest = if many_threads { NARROW } else { SOFTWARE[0] };
    MAX_WORKGROUPS * lowest.rows()
}

impl Tile {
    /// For a product of so many rows and units of outputs: of the tiles of a size, the first among those that compute the fewest outputs
    /// that are not there.
    fn of(rows: usize, units: usize, many_threads: bool) -> Self {
        let is_narrow = units <= NARROW_UNITS;
        let enough = |tile: Self| tile.count(rows, units).iter().product::<usize>() >= ENOUGH_TILES;
        let tiles: &[Self] = match many_threads {
            true if is_narrow => &[NARROW],
            true if enough(LARGE[0]) => &LARGE,
            true if enough(MEDIUM[0]) => &MEDIUM,
            true => &SMALL,
            false if is_narrow => &[SOFTWARE_NARROW],
            false if rows <= FEW_ROWS => &SOFTWARE_FEW,
            false if rows <= SOFTWARE[0].rows() => &SOFTWARE_LOW,
            false => &SOFTWARE,
        };
        let padded = |tile: &&Self| units.next_multiple_of(tile.units());
        *tiles.iter().min_by_key(padded).expect("there are some of each")
    }

    fn threads(&self) -> usize {
        self.columns * self.lines * self.groups
    }

    /// Inputs of a sum that are loaded at a time.
    fn slab(&self) -> usize {
        4 * self.columns * self.groups / self.fours
    }

    /// How many inputs of a sum a workgroup adds up, a multiple of a slab: all of them where there are threads enough.
    fn part(&self, rows: usize, units: usize, depth: usize, later: bool) -> usize {
        let threads = self.count(rows, units).iter().product::<usize>() * self.threads();
        let least = if later { LEAST_PART } else { 2 * LEAST_PART };
        let parts = (ENOUGH_THREADS / threads).min(MOST_PARTS).min(depth / least).max(1);
        depth.div_ceil(parts).next_multiple_of(self.slab()).min(depth)
    }

    /// The shader for this tile.
    fn sized(&self, variant: Variant, many_threads: bool) -> Variant {
        let weights_each = (self.slab() * self.units()).div_ceil(self.threads());
        [
            ("COLUMNS", self.columns),
            ("LINES", self.lines),
            ("GROUPS", self.groups),
            ("FOURS", self.fours),
            ("UNITS_EACH", self.units_each),
            ("WEIGHTS_EACH", weights_each),
            ("UNITS_UNROLLED", if many_threads { self.slab() / self.groups / 4 } else { 1 }),
        ]
        .into_iter()
        .fold(variant, |variant, (name, value)| variant.size(name, value as u32))
    }

    /// Units of four outputs.
    fn units(&self) -> usize {
        self.units_each * self.columns
    }

    const fn rows(&self) -> usize {
        4 * self.fours * self.lines
    }

    /// Tiles along the outputs, and along the rows.
    fn count(&self, rows: usize, units: usize) -> [usize; 2] {
        [units.div_ceil(self.units()), rows.div_ceil(self.rows())]
    }
}

/// Some rows of the product, and the pixels of `x` that they look at. The bindings of `x`, `y` and the residual begin with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub rows: Range<usize>,
    pub pixels: Range<usize>,
}

impl Run {
    /// All rows.
    pub fn all(shape: &Conv2dShape) -> Self {
        Self { rows: 0..shape.rows(), pixels: 0..shape.pixels() }
    }

    /// The pixels that `rows` look at: whole lines of `x`, from an aligned pixel on.
    pub fn of(shape: &Conv2dShape, rows: Range<usize>) -> Self {
        let (kernel_height, halving) = (shape.matrix.taps / shape.kernel_width, usize::from(shape.doubled));
        // The line of x under tap line `ky` of a row's window, kept inside its sample.
        let line = |row: usize, ky: usize| {
            let (batch, out_line) =
                (row / shape.out_width / shape.out_height, row / shape.out_width % shape.out_height);
            let y = (out_line * shape.stride + ky).saturating_sub(shape.top).min(shape.height - 1);
            batch * (shape.height >> halving) + (y >> halving)
        };
        let width = shape.width >> halving;
        let first = line(rows.start, 0) * width / ALIGNED * ALIGNED;
        let end = (line(rows.end - 1, kernel_height - 1) + 1) * width;
        Self { rows, pixels: first..end }
    }
}

/// The shader that computes products in `arithmetic`, where it can: in int8 those of int8 weights, but for those of few outputs, which are
/// the ones that show. All other shaders are as they were.
pub fn computing(variant: Variant, arithmetic: Arithmetic) -> Variant {
    let size = |name| variant.size_of(name);
    let (Kernel::Conv2d, Some(columns), Some(lines), Some(fours)) =
        (variant.kernel, size("COLUMNS"), size("LINES"), size("FOURS"))
    else {
        return variant;
    };
    match arithmetic {
        Arithmetic::F16 => {
            // Sums in f16 are of at most 16 products.
            let (units, sums) = (size("UNITS_UNROLLED").unwrap_or(1), 2 / fours);
            let variant = variant.switch(IN_F16, true).switch("NARROWED", true);
            variant.size("SHORT_SUMS", sums).size("SHORT_UNITS", units / sums)
        }
        Arithmetic::Int8 if variant.has("INT8") && columns > NARROW.columns as u32 => variant
            .switch("IN_INT8", true)
            .switch("NARROWED", true)
            .size("WORDS", columns / fours)
            .size("WORDS_EACH", columns.div_ceil(lines)),
        _ => variant,
    }
}

/// Rows of a product, or all of it, and what it works on. Of two sources both have channels in multiples of four, and the run is all rows.
pub struct Product<'a> {
    pub shape: &'a Conv2dShape,
    pub dtype: DType,
    pub source: &'a Source,
    pub pieces: &'a [MatrixPiece],
    pub epilogue: &'a Epilogue,
    pub y: &'a Binding,
    pub run: &'a Run,
}

/// A term of the parts of sums; see conv2d.wgsl.
const SCALED: u32 = 8;

/// One dispatch for each piece of the weights, or two. `scratch` gives memory for so many bytes, where there can be. Parts of sums are left
/// as they are and given where somebody sums them `later`, which is possible if there is one piece.
pub fn dispatches(
    product: &Product,
    mut scratch: impl FnMut(u64) -> Option<Binding>,
    later: bool,
) -> (Vec<Dispatch>, Option<Parts>) {
    let mut made = Vec::with_capacity(product.pieces.len());
    for piece in product.pieces {
        let (shape, units) = (product.shape, piece.shape.output_units());
        let depth = shape.matrix.taps * shape.matrix.channels.next_multiple_of(4);
        let rows = product.run.rows.len();
        let tile = Tile::of(rows, units, shape.many_threads);
        let part = if shape.many_threads { tile.part(rows, units, depth, later) } else { depth };
        let count = depth.div_ceil(part);
        let room = if count > 1 { scratch(Parts::bytes(count, rows, units)) } else { None };
        let parts = room.map(|binding| Parts { count, length: part, binding });
        made.push(product.of_piece(piece, tile, parts.as_ref(), later));
        if later && parts.is_some() {
            return (made, parts);
        }
        made.extend(parts.map(|parts| sum_parts::dispatch(product, piece, &parts)));
    }
    (made, None)
}

impl Product<'_> {
    /// All of the sums of a piece and what follows them, or their parts.
    fn of_piece(&self, piece: &MatrixPiece, tile: Tile, parts: Option<&Parts>, scaled: bool) -> Dispatch {
        let Self { shape, source, run, .. } = self;
        let MatrixShape { channels, taps, .. } = shape.matrix;
        let units = piece.shape.output_units();
        let [columns, lines] = tile.count(run.rows.len(), units);
        let layout = match source.second {
            Some(_) => "TWO_SOURCES",
            None if channels.is_multiple_of(4) => "CHANNELS4",
            None => "ODD_CHANNELS",
        };
        let x_channels = source.second.as_ref().map_or(channels, |(_, channels)| *channels);
        let variant = Variant::of(Kernel::Conv2d)
            .switch(layout, true)
            .switch("TAPS", true)
            .switch("PARTS", parts.is_some())
            .switch("RAW", parts.is_some())
            .switch("ONE_GROUP", tile.groups == 1);
        let variant = tile.sized(variant, shape.many_threads);
        // Parts are written as they are, whole units of them.
        let none = Epilogue::default();
        let (epilogue, y, matrix) = match parts {
            Some(parts) => {
                let matrix = MatrixShape { outputs: 4 * units, gated: false, ..shape.matrix };
                (&none, &parts.binding, matrix)
            }
            None => (self.epilogue, self.y, shape.matrix),
        };
        let params = [
            shape.height,
            shape.width,
            channels,
            shape.out_height,
            shape.out_width,
            shape.matrix.results(),
            shape.kernel_width,
            taps,
            shape.stride,
            shape.top,
            shape.left,
            run.rows.end,
            piece.first_output,
            units,
        ];
        let mut params: Vec<u32> = params.iter().map(|&value| value as u32).collect();
        params.push(epilogue.terms() | if scaled && parts.is_some() { SCALED } else { 0 });
        params.extend(epilogue.added_params());
        params.extend([run.rows.start as u32, run.pixels.start as u32]);
        let part = parts.map_or(0, |parts| parts.length);
        params.extend([u32::from(shape.doubled), x_channels as u32 / 4, part as u32]);
        let mut bindings = vec![source.x.clone(), piece.packed.clone(), piece.scales.clone()];
        bindings.extend(epilogue.bindings());
        bindings.push(y.clone());
        bindings.extend(source.second.iter().map(|(second, _)| second.clone()));
        Dispatch {
            variant: epilogue.specialise(variant, self.dtype, matrix),
            bindings,
            params,
            workgroups: [columns as u32, lines as u32, parts.map_or(1, |parts| parts.count) as u32],
        }
    }
}

/// The products of Winograd's algorithm for some tiles, `[16, tiles, O]`; see `winograd`. The binding of x begins with `first_pixel`. Of x
/// there are whole units of channels, as there are of outputs.
pub fn winograd_products(
    shape: &Conv2dShape,
    tiles: &Range<usize>,
    first_pixel: usize,
    source: &Source,
    weights: Binding,
    products: Binding,
) -> Dispatch {
    let MatrixShape { channels, .. } = shape.matrix;
    let (count, units) = (tiles.len(), shape.matrix.output_units());
    // Sixteen times as many workgroups as tiles of one product.
    let tile = Tile::of(PRODUCTS * count, units, shape.many_threads);
    let [columns, lines] = tile.count(count, units);
    let x_channels = source.second.as_ref().map_or(channels, |(_, channels)| *channels);
    let variant = Variant::of(Kernel::Conv2d)
        .switch(if source.second.is_some() { "TWO_SOURCES" } else { "CHANNELS4" }, true)
        .switch("WINOGRAD", true)
        .switch("RAW", true)
        .switch("ONE_GROUP", tile.groups == 1);
    let variant = tile.sized(variant, shape.many_threads);
    let params = [
        shape.height,
        shape.width,
        channels,
        shape.out_height.div_ceil(2),
        shape.out_width.div_ceil(2),
        shape.matrix.outputs,
        shape.kernel_width,
        shape.matrix.taps,
        2,
        shape.top,
        shape.left,
        tiles.end,
        0,
        units,
    ];
    let mut params: Vec<u32> = params.iter().map(|&value| value as u32).collect();
    params.extend([0, 1, 0, 0, tiles.start as u32, first_pixel as u32]);
    params.extend([u32::from(shape.doubled), x_channels as u32 / 4, 0]);
    let mut bindings = vec![source.x.clone(), weights, Binding::Absent];
    bindings.extend(Epilogue::default().bindings());
    bindings.push(products);
    bindings.extend(source.second.iter().map(|(second, _)| second.clone()));
    Dispatch {
        variant: Epilogue::default().specialise(variant, DType::F32, shape.matrix),
        bindings,
        params,
        workgroups: [columns as u32, lines as u32, PRODUCTS as u32],
    }
}

/// The twin: `packed` is in the layout of [`super::repack::plain`]. No epilogue.
pub fn plain(shape: &Conv2dShape, x: &[f32], packed: &[f32]) -> Vec<f32> {
    let MatrixShape { outputs, channels, taps, .. } = shape.matrix;
    let (columns, padded) = (4 * shape.matrix.output_units(), channels.next_multiple_of(4));
    let mut y = Vec::with_capacity(shape.rows() * outputs);
    for row in 0..shape.rows() {
        let image = shape.out_height * shape.out_width;
        let (batch, pixel) = (row / image, row % image);
        let mut sums = vec![0.0f32; columns];
        for tap in 0..taps {
            let at_y =
                (pixel / shape.out_width * shape.stride + tap / shape.kernel_width).wrapping_sub(shape.top);
            let at_x =
                (pixel % shape.out_width * shape.stride + tap % shape.kernel_width).wrapping_sub(shape.left);
            if at_y >= shape.height || at_x >= shape.width {
                continue;
            }
            let halving = usize::from(shape.doubled);
            let line = batch * (shape.height >> halving) + (at_y >> halving);
            let from = (line * (shape.width >> halving) + (at_x >> halving)) * channels;
            for channel in 0..channels {
                let weights = &packed[(tap * padded + channel) * columns..][..columns];
                for (sum, weight) in sums.iter_mut().zip(weights) {
                    *sum += x[from + channel] * weight;
                }
            }
        }
        y.extend_from_slice(&sums[..outputs]);
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_are_as_the_shader_needs_them_and_fit_every_device() {
        for tile in LARGE.into_iter().chain(MEDIUM).chain(SMALL).chain([NARROW]) {
            let Tile { columns, lines, groups, fours, units_each } = tile;
            assert!(columns.is_multiple_of(2) && lines.is_power_of_two() && tile.threads() <= 256);
            assert!((tile.threads() / tile.units()).is_multiple_of(4), "{tile:?} loads weights apart");
            let share = tile.slab() / groups;
            assert!(share.is_multiple_of(4) && share * fours / 2 <= 16, "{tile:?} takes {share} of a slab");
            let given = 4 * fours * units_each * columns * lines * (groups - 1);
            assert!(given <= tile.slab() * fours * lines, "{tile:?} has no room for sums");
            let shared = 16 * tile.slab() * (fours * lines + tile.units());
            assert!(shared <= 16 << 10, "{tile:?} shares {shared} bytes");
        }
    }

    #[test]
    fn the_most_rows_are_no_more_tiles_than_a_dispatch_has_workgroups() {
        for many_threads in [true, false] {
            let lines = |rows: usize| {
                (1..200).map(move |units| Tile::of(rows, units, many_threads).count(rows, units)[1]).max()
            };
            let most = most_rows(many_threads);
            assert_eq!([most, most + 1].map(lines), [MAX_WORKGROUPS, MAX_WORKGROUPS + 1].map(Some));
        }
    }

    #[test]
    fn long_sums_come_in_parts_where_threads_are_few() {
        let part = |rows: usize, outputs: usize, depth: usize| {
            Tile::of(rows, outputs / 4, true).part(rows, outputs / 4, depth, true)
        };
        assert_eq!(part(32, 192, 1728), 192, "as short as parts may be, in slabs of 64");
        assert_eq!(part(128, 1280, 11520), 3840, "three of them");
        assert_eq!(part(128, 1280, 130), 130, "no more than there is");
        assert_eq!(part(1 << 17, 320, 2880), 2880, "tiles enough");
    }

    #[test]
    fn tiles_fit_the_product() {
        let tile = |rows: usize, outputs: usize| Tile::of(rows, outputs / 4, true);
        let many = [4, 16, 32, 40, 48, 64, 80, 96, 192, 320].map(|outputs| tile(1 << 15, outputs).columns);
        assert_eq!(many, [2, 2, 4, 6, 6, 8, 6, 6, 8, 8]);
        assert_eq!(tile(1 << 15, 64), LARGE[0]);
        assert_eq!([40, 48, 64].map(|outputs| tile(1 << 13, outputs)), [MEDIUM[1], MEDIUM[1], MEDIUM[0]]);
        assert_eq!([4, 48, 64].map(|outputs| tile(2048, outputs)), [NARROW, SMALL[1], SMALL[0]]);
        let few_threads = [8, 32, 128, 2048].map(|rows| Tile::of(rows, 16, false));
        assert_eq!(few_threads, [SOFTWARE_FEW[1], SOFTWARE_LOW[1], SOFTWARE[0], SOFTWARE[0]]);
    }
}
