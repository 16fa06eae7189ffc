//! Which convolutions go by Winograd's algorithm, and how they are lowered.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::device::Device;
use super::fusion::Step;
use super::kernels::conv2d::{self, Conv2dShape};
use super::kernels::epilogue::Epilogue;
use super::kernels::repack::MatrixShape;
use super::kernels::{ALIGNED, Binding, Source, winograd};
use super::lowering::{Lowering, elements_of};
use super::weights::Weights;
use crate::error::Result;
use crate::graph::{Graph, Op, Value};
use crate::weights::DType;

/// The most bytes of a graph's transformed weights: 16/9 of those of the weights themselves.
const MOST_WEIGHT_BYTES: u64 = 128 << 20;
/// The most bytes of products at once.
const MOST_PRODUCT_BYTES: u64 = 32 << 20;

/// The convolutions of `steps` that go by Winograd's algorithm: all of 3 x 3 that leave the size as it is, whose weights are stored as
/// f32 and whose channels come in fours, if their transformed weights take no more than they may. (Others' would take four, seven or
/// fourteen times the room of the weights.) It does not depend on sizes: plans of several sizes share the weights.
pub fn winograd_nodes(graph: &Graph, steps: &[Step], weights: &Weights, device: &Device) -> HashSet<Value> {
    let mut bytes: HashMap<&str, u64> = HashMap::new();
    let mut nodes = HashSet::new();
    for step in steps {
        let node = graph.node(step.node);
        let (Op::Conv2d { stride: 1, padding: [1, 1, 1, 1] }, Some(&weight)) =
            (&node.op, node.operands.get(1))
        else {
            continue;
        };
        let (Op::Parameter { name }, [outputs, channels, 3, 3]) =
            (&graph.node(weight).op, graph.shape(weight))
        else {
            continue;
        };
        let taken = winograd::weight_bytes(MatrixShape::of(graph.shape(weight)));
        if weights.dtype(name) == Some(DType::F32)
            && weights.is_whole(device, name)
            && outputs.is_multiple_of(4)
            && channels.is_multiple_of(4)
            && taken <= device.max_binding_bytes()
        {
            bytes.insert(name, taken);
            nodes.insert(step.node);
        }
    }
    if bytes.values().sum::<u64>() > MOST_WEIGHT_BYTES { HashSet::new() } else { nodes }
}

/// Bytes of the products of so many tiles.
const fn product_bytes(tiles: usize, outputs: usize) -> u64 {
    4 * winograd::PRODUCTS as u64 * tiles as u64 * outputs as u64
}

// More than the 32 bits of wasm's usize.
const _: () = assert!(product_bytes(1 << 20, 64) == 1 << 32);

/// Some lines of tiles, and the pixels of x and of y that are theirs, either from an aligned pixel on.
struct Lines {
    tiles: Range<usize>,
    pixels: Range<usize>,
    rows: Range<usize>,
}

impl Lines {
    /// Lines of the tiles of all samples, one sample after the other.
    fn of(shape: &Conv2dShape, lines: Range<usize>) -> Self {
        let (down, across) = (shape.out_height.div_ceil(2), shape.out_width.div_ceil(2));
        let halving = usize::from(shape.doubled);
        // The line of x under line `below` of a line of tiles, kept inside its sample.
        let seen = |line: usize, below: usize| {
            let y = (2 * (line % down) + below).saturating_sub(1).min(shape.height - 1);
            (line / down * (shape.height >> halving) + (y >> halving)) * (shape.width >> halving)
        };
        let row = |line: usize| (line / down * shape.out_height + 2 * (line % down)) * shape.out_width;
        let last = lines.end - 1;
        let end = row(last) + shape.out_width * (shape.out_height - 2 * (last % down)).min(2);
        Self {
            tiles: lines.start * across..lines.end * across,
            pixels: seen(lines.start, 0) / ALIGNED * ALIGNED..seen(last, 3) + (shape.width >> halving),
            rows: row(lines.start) / ALIGNED * ALIGNED..end,
        }
    }
}

impl Lowering<'_> {
    /// A convolution by Winograd's algorithm: its products, and the pixels that they make.
    pub fn winograd_product(&mut self, step: &Step, shape: &Conv2dShape, name: &str) -> Result<()> {
        let epilogue = self.epilogue(step);
        let (source, y) = (self.source(step.source(self.graph)), Binding::Value(step.result));
        let weights = self.weights.winograd(name).map_or(Binding::Absent, Binding::Buffer);
        let MatrixShape { channels, outputs, .. } = shape.matrix;
        let all = Lines::of(shape, 0..shape.batch * shape.out_height.div_ceil(2));
        for lines in self.lines_that_fit(shape, &source, &y)? {
            let x = match source.second.is_some() || lines.pixels == all.pixels {
                true => source.clone(),
                false => Source { x: elements_of(&source.x, &lines.pixels, channels), second: None },
            };
            let first_pixel = if source.second.is_some() { 0 } else { lines.pixels.start };
            let [y, residual] = [Some(&y), epilogue.residual.as_ref()].map(|whole| match whole {
                Some(whole) if lines.rows != all.rows => Some(elements_of(whole, &lines.rows, outputs)),
                whole => whole.cloned(),
            });
            let products = self.scratch(product_bytes(lines.tiles.len(), outputs));
            self.push(conv2d::winograd_products(
                shape,
                &lines.tiles,
                first_pixel,
                &x,
                weights.clone(),
                products.clone(),
            ))?;
            let epilogue = Epilogue { residual, ..epilogue.clone() };
            let y = y.unwrap_or(Binding::Absent);
            self.push(winograd::output(shape, &lines.tiles, lines.rows.start, &epilogue, products, y))?;
        }
        Ok(())
    }

    /// All lines of tiles, as many at a time as fit.
    fn lines_that_fit(&self, shape: &Conv2dShape, source: &Source, y: &Binding) -> Result<Vec<Lines>> {
        let MatrixShape { channels, outputs, .. } = shape.matrix;
        let count = shape.batch * shape.out_height.div_ceil(2);
        let fits = |lines: &Lines| {
            product_bytes(lines.tiles.len(), outputs)
                <= MOST_PRODUCT_BYTES.min(self.device.max_binding_bytes())
                && (source.second.is_some() || self.fits(&source.x, lines.pixels.len() * channels))
                && self.fits(y, lines.rows.len() * outputs)
        };
        let mut step = count;
        loop {
            let lines =
                (0..count).step_by(step).map(|first| Lines::of(shape, first..(first + step).min(count)));
            let lines: Vec<Lines> = lines.collect();
            if step == 1 || lines.iter().all(fits) {
                return Ok(lines);
            }
            step = step.div_ceil(2);
        }
    }
}
