//! Fused steps to dispatches.

use std::ops::Range;
use std::rc::Rc;

use super::buffer::{ALIGNMENT, GpuBuffer};
use super::device::Device;
use super::fusion::Step;
use super::kernels::attention::{self, AttentionShape};
use super::kernels::binary::{self, MAX_AXES, Repetition};
use super::kernels::conv2d::{self, Conv2dShape, MatrixPiece};
use super::kernels::copy_columns::{self, Columns};
use super::kernels::embedding::{self, EmbeddingShape};
use super::kernels::epilogue::Epilogue;
use super::kernels::group_norm::{self, GroupNormShape};
use super::kernels::repack::{self, MatrixShape};
use super::kernels::timestep_embedding::{self, TimestepShape};
use super::kernels::{
    ALIGNED, Binding, Dispatch, MAX_WORKGROUPS, geglu, layer_norm, linear, unary, upsample,
};
use super::weights::{Form, Weights};
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, Value};
use crate::weights::DType;

/// Which node's memory holds each value: a reshape's is its operand's, a fused step's is its result's.
pub struct Storage(Vec<Value>);

impl Storage {
    /// For a graph whose work is done by `steps`.
    pub fn of(graph: &Graph, steps: &[Step]) -> Self {
        let mut owners: Vec<Value> = graph.values().map(|(value, _)| value).collect();
        for (value, node) in graph.values() {
            let is_result = steps.binary_search_by_key(&value, |step| step.result).is_ok();
            if matches!(node.op, Op::Reshape) && !is_result {
                owners[value.index()] = owners[node.operands[0].index()];
            }
        }
        Self(owners)
    }

    /// The node whose memory an output is written to: its owner, or itself where that is an input or a parameter.
    pub fn written(&self, graph: &Graph, output: Value) -> Value {
        let owner = self.owner(output);
        match graph.node(owner).op {
            Op::Input { .. } | Op::Parameter { .. } => output,
            _ => owner,
        }
    }

    /// The node that owns the memory of `value`.
    pub fn owner(&self, value: Value) -> Value {
        self.0[value.index()]
    }
}

/// The parameters that `steps` use, and in which form. A parameter may come more than once.
pub fn parameter_forms(graph: &Graph, steps: &[Step], storage: &Storage) -> Vec<(String, Form)> {
    let mut forms = Vec::new();
    let mut note = |value: Value, form: Form| {
        if let Op::Parameter { name } = &graph.node(storage.owner(value)).op {
            forms.push((name.clone(), form));
        }
    };
    for step in steps {
        let node = graph.node(step.node);
        for (position, &operand) in node.operands.iter().enumerate() {
            note(operand, if position == 1 { weight_form(graph, storage, step.node) } else { Form::Plain });
        }
        for value in step.added.iter().map(|(value, _)| value).chain(&step.residual) {
            note(*value, Form::Plain);
        }
    }
    for (_, value) in graph.outputs() {
        note(value, Form::Plain);
    }
    forms
}

/// In which form a node reads its second operand, if that is a parameter.
fn weight_form(graph: &Graph, storage: &Storage, node: Value) -> Form {
    let operand = graph.node(node).operands[1];
    let (seen, stored) = (graph.shape(operand), graph.shape(storage.owner(operand)));
    match graph.node(node).op {
        // Seen through a reshape that cuts its rows otherwise, it has other scales: then it goes by way of f32.
        Op::Linear | Op::Conv2d { .. } if seen[0] == stored[0] => Form::Matrix(MatrixShape::of(seen)),
        Op::Embedding if seen == stored => Form::Table,
        _ => Form::Plain,
    }
}

/// A graph as dispatches over values and scratch memory.
#[derive(Default)]
pub struct Lowered {
    pub dispatches: Vec<Dispatch>,
    /// Bytes of each [`Binding::Scratch`].
    pub scratch: Vec<u64>,
}

/// Lowers `steps`, whose parameters have been converted.
///
/// Errors: a value exceeds what one binding or one dispatch of the device can take.
pub fn lower(
    device: &Device,
    graph: &Graph,
    steps: &[Step],
    storage: &Storage,
    weights: &Weights,
) -> Result<Lowered> {
    let mut lowering = Lowering { device, graph, storage, weights, done: Lowered::default() };
    for step in steps {
        lowering.step(step)?;
    }
    for (_, value) in graph.outputs() {
        lowering.copy_to_output(value)?;
    }
    Ok(lowering.done)
}

struct Lowering<'a> {
    device: &'a Device,
    graph: &'a Graph,
    storage: &'a Storage,
    weights: &'a Weights,
    done: Lowered,
}

impl Lowering<'_> {
    fn step(&mut self, step: &Step) -> Result<()> {
        let node = self.graph.node(step.node);
        let shape = &node.shape;
        let elements: usize = shape.iter().product();
        let width = shape.last().copied().unwrap_or(1);
        let rows = elements / width;
        let y = Binding::Value(step.result);
        let operand = |index: usize| self.read(node.operands[index]);
        let operand_shape = |index: usize| self.graph.shape(node.operands[index]);
        match &node.op {
            Op::Input { .. } | Op::Parameter { .. } | Op::Reshape => unreachable!("no work"),
            Op::Linear | Op::Conv2d { .. } => self.product(step),
            Op::GroupNorm { groups, eps } => {
                let (batch, channels) = (shape[0], width);
                let pixels = elements / batch / channels;
                let norm = GroupNormShape { batch, pixels, channels, groups: *groups, eps: *eps as f32 };
                let [x, gamma, beta] = [operand(0), operand(1), operand(2)];
                let stats = self.scratch(norm.stats_bytes());
                let (mut first, mut second) = (Vec::new(), Vec::new());
                for run in self.norm_runs(&norm, &x, &y)? {
                    let [x, y] = [&x, &y].map(|whole| run.show(&norm, whole));
                    let bindings = [x, gamma.clone(), beta.clone(), stats.clone(), y];
                    let [a, b] = group_norm::dispatches(&norm, &run, step.activation, bindings);
                    first.push(a);
                    second.push(b);
                }
                first.into_iter().chain(second).try_for_each(|dispatch| self.push(dispatch))
            }
            Op::LayerNorm { eps } => {
                let [x, gamma, beta] = [operand(0), operand(1), operand(2)];
                self.by_rows(rows, [(x, width), (y, width)], |run, [x, y]| {
                    let bindings = [x, gamma.clone(), beta.clone(), y];
                    layer_norm::dispatch(run.len(), width, *eps as f32, step.activation, bindings)
                })
            }
            Op::Activation(activation) => {
                self.by_rows(elements, [(operand(0), 1), (y, 1)], |run, bindings| {
                    unary::dispatch(run.len(), Some(*activation), [1.0, 0.0], bindings)
                })
            }
            Op::Affine { scale, shift } => {
                let factors = [*scale as f32, *shift as f32];
                self.by_rows(elements, [(operand(0), 1), (y, 1)], |run, bindings| {
                    unary::dispatch(run.len(), step.activation, factors, bindings)
                })
            }
            Op::Add | Op::Multiply => {
                let repetition = Repetition::of(shape, operand_shape(1));
                if repetition.0.len() > MAX_AXES {
                    return Err(Error::ShapeMismatch {
                        operation: node.op.name().to_owned(),
                        expected: format!("at most {MAX_AXES} runs of axes that repeat or do not"),
                        actual: format!("{shape:?}, {:?}", operand_shape(1)),
                    });
                }
                let multiply = node.op == Op::Multiply;
                let (x, z) = (operand(0), operand(1));
                if repetition.is_none() {
                    self.by_rows(elements, [(x, 1), (z, 1), (y, 1)], |run, bindings| {
                        binary::dispatch(run, &repetition, multiply, step.activation, bindings)
                    })
                } else {
                    self.by_rows(elements, [(x, 1), (y, 1)], |run, [x, y]| {
                        binary::dispatch(run, &repetition, multiply, step.activation, [x, z.clone(), y])
                    })
                }
            }
            Op::Geglu => self.by_rows(rows, [(operand(0), 2 * width), (y, width)], |run, bindings| {
                geglu::dispatch(run.len(), width, bindings)
            }),
            Op::Attention { heads, scale, causal } => {
                let (q, k) = (operand_shape(0), operand_shape(1));
                let attention = AttentionShape {
                    batch: q[0],
                    queries: q[1],
                    keys: k[1],
                    width,
                    heads: *heads,
                    scale: *scale as f32,
                    causal: *causal,
                };
                self.push(attention::dispatch(&attention, [operand(0), operand(1), operand(2), y]))
            }
            Op::Embedding => self.embedding(step),
            Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
                let shape = TimestepShape {
                    batch: rows,
                    dim: *dim,
                    flip_sin_to_cos: *flip_sin_to_cos,
                    freq_shift: *freq_shift,
                };
                let timesteps = operand(0);
                let frequencies = self.constants(bytemuck::cast_slice(&shape.frequencies()))?;
                self.push(timestep_embedding::dispatch(&shape, [timesteps, frequencies, y]))
            }
            Op::Upsample { .. } => {
                let extents = |shape: &[usize]| [shape[0], shape[1], shape[2], shape[3]];
                let (x, (from, to)) = (operand(0), (extents(operand_shape(0)), extents(shape)));
                let pixels = |run: &Range<usize>| upsample::pixels(from, to, run);
                for run in self.runs(rows, width, |run| {
                    self.fits(&x, pixels(run).len() * width) && self.fits(&y, run.len() * width)
                })? {
                    let (from_pixels, bindings) = if run.len() == rows {
                        (0..rows, [x.clone(), y.clone()])
                    } else {
                        (pixels(&run), [elements_of(&x, &pixels(&run), width), elements_of(&y, &run, width)])
                    };
                    self.push(upsample::dispatch(from, to, run, from_pixels.start, bindings))?;
                }
                Ok(())
            }
            Op::Concat => {
                let mut to_column = 0;
                for &part in &node.operands {
                    let len = self.graph.shape(part).last().copied().unwrap_or(1);
                    self.by_rows(rows, [(self.read(part), len), (y.clone(), width)], |run, bindings| {
                        let rows = run.len();
                        let columns =
                            Columns { rows, len, x_width: len, y_width: width, from_column: 0, to_column };
                        copy_columns::dispatch(&columns, bindings)
                    })?;
                    to_column += len;
                }
                Ok(())
            }
            Op::Slice { start, len } => {
                let x_width = operand_shape(0).last().copied().unwrap_or(1);
                let (len, from_column) = (*len, *start);
                self.by_rows(rows, [(operand(0), x_width), (y, len)], |run, bindings| {
                    let rows = run.len();
                    let columns = Columns { rows, len, x_width, y_width: len, from_column, to_column: 0 };
                    copy_columns::dispatch(&columns, bindings)
                })
            }
        }
    }

    fn product(&mut self, step: &Step) -> Result<()> {
        let node = self.graph.node(step.node);
        let weight = node.operands[1];
        let matrix = MatrixShape::of(self.graph.shape(weight));
        let (dtype, pieces) = self.matrix(step.node, weight, matrix)?;
        let epilogue = Epilogue {
            bias: node.operands.get(2).map(|&bias| self.read(bias)),
            added: step.added.map(|(value, rows)| (self.read(value), rows)),
            activation: step.activation,
            residual: step.residual.map(|value| self.read(value)),
            last: step.last,
        };
        let (x, y) = (self.read(node.operands[0]), Binding::Value(step.result));
        let shape = match node.op {
            Op::Conv2d { stride, padding: [top, left, ..] } => {
                let (from, to) = (self.graph.shape(node.operands[0]), &node.shape);
                Conv2dShape {
                    batch: from[0],
                    height: from[1],
                    width: from[2],
                    out_height: to[1],
                    out_width: to[2],
                    kernel_width: self.graph.shape(weight)[3],
                    stride,
                    top,
                    left,
                    matrix,
                }
            }
            _ => {
                let rows = node.shape.iter().product::<usize>() / matrix.outputs;
                if rows <= linear::FEW_ROWS {
                    let dispatches = linear::dispatches(rows, matrix, dtype, &x, &pieces, &epilogue, &y);
                    return dispatches.into_iter().try_for_each(|dispatch| self.push(dispatch));
                }
                Conv2dShape::linear(rows, matrix)
            }
        };
        let (channels, outputs) = (matrix.channels, matrix.outputs);
        let runs = self.runs(shape.rows(), channels.max(outputs), |rows| {
            let pixels = conv2d::Run::of(&shape, rows.clone()).pixels;
            self.fits(&x, pixels.len() * channels) && self.fits(&y, rows.len() * outputs)
        })?;
        for rows in runs {
            let dispatches = if rows.len() == shape.rows() {
                conv2d::dispatches(&shape, dtype, &x, &pieces, &epilogue, &y, &conv2d::Run::all(&shape))
            } else {
                let run = conv2d::Run::of(&shape, rows);
                let [x, y] = [elements_of(&x, &run.pixels, channels), elements_of(&y, &run.rows, outputs)];
                let residual = epilogue.residual.as_ref();
                let residual = residual.map(|residual| elements_of(residual, &run.rows, outputs));
                let epilogue = Epilogue { residual, ..epilogue.clone() };
                conv2d::dispatches(&shape, dtype, &x, &pieces, &epilogue, &y, &run)
            };
            dispatches.into_iter().try_for_each(|dispatch| self.push(dispatch))?;
        }
        Ok(())
    }

    /// Runs of the slices of a group norm whose elements fit a binding: all of them, or some of one sample.
    fn norm_runs(&self, norm: &GroupNormShape, x: &Binding, y: &Binding) -> Result<Vec<group_norm::Run>> {
        let (slices, slice_pixels) = norm.slices();
        let elements = norm.batch * norm.pixels * norm.channels;
        if self.fits(x, elements) && self.fits(y, elements) {
            return Ok(vec![group_norm::Run { samples: 0..norm.batch, slices: 0..slices, first_element: 0 }]);
        }
        let slice = (slice_pixels * norm.channels) as u64;
        // One slice less than would fit leaves room for the alignment of the first element.
        let step = (self.device.max_binding_bytes() / (4 * slice)).saturating_sub(1) as usize;
        if step == 0 {
            self.device.require_binding("a slice of group_norm", 8 * slice)?;
        }
        let run = |sample: usize, first: usize| {
            let element = (sample * norm.pixels + first * slice_pixels) * norm.channels;
            group_norm::Run {
                samples: sample..sample + 1,
                slices: first..(first + step.max(1)).min(slices),
                first_element: element / ALIGNED * ALIGNED,
            }
        };
        let samples = 0..norm.batch;
        Ok(samples
            .flat_map(|sample| (0..slices).step_by(step.max(1)).map(move |first| run(sample, first)))
            .collect())
    }

    /// Whether `elements` of a binding fit one: all of it, or that many of it.
    fn fits(&self, binding: &Binding, elements: usize) -> bool {
        4 * elements as u64 <= self.device.max_binding_bytes()
            || self.bytes(binding) <= self.device.max_binding_bytes()
    }

    /// Cuts `rows` into runs that fit, each from an aligned row on: one run if it fits as a whole. `width` is the largest row, in elements.
    fn runs(
        &self,
        rows: usize,
        width: usize,
        fits: impl Fn(&Range<usize>) -> bool,
    ) -> Result<Vec<Range<usize>>> {
        if fits(&(0..rows)) {
            return Ok(vec![0..rows]);
        }
        let limit = self.device.max_binding_bytes() as usize;
        let mut step = limit / (4 * width) / ALIGNED * ALIGNED;
        loop {
            if step < ALIGNED {
                self.device.require_binding("a run of rows", 4 * (rows * width) as u64)?;
            }
            let runs: Vec<Range<usize>> =
                (0..rows).step_by(step).map(|first| first..(first + step).min(rows)).collect();
            if runs.iter().all(&fits) {
                return Ok(runs);
            }
            step = step / 2 / ALIGNED * ALIGNED;
        }
    }

    /// Dispatches over rows that several bindings hold side by side, `(binding, elements of a row)`, as few at a time as fit.
    fn by_rows<const N: usize>(
        &mut self,
        rows: usize,
        bindings: [(Binding, usize); N],
        dispatch: impl Fn(Range<usize>, [Binding; N]) -> Dispatch,
    ) -> Result<()> {
        let width = bindings.iter().map(|(_, width)| *width).max().unwrap_or(1);
        let fits = |run: &Range<usize>| {
            bindings.iter().all(|(binding, width)| self.fits(binding, run.len() * width))
        };
        for run in self.runs(rows, width, fits)? {
            let shown = bindings.clone().map(|(binding, width)| {
                if run.len() == rows { binding } else { elements_of(&binding, &run, width) }
            });
            self.push(dispatch(run, shown))?;
        }
        Ok(())
    }

    /// A weight in kernel layout: made at load if it is a parameter, here and now if it is computed.
    fn matrix(
        &mut self,
        node: Value,
        weight: Value,
        shape: MatrixShape,
    ) -> Result<(DType, Vec<MatrixPiece>)> {
        if let (Op::Parameter { name }, Form::Matrix(_)) =
            (&self.graph.node(self.storage.owner(weight)).op, weight_form(self.graph, self.storage, node))
        {
            let matrix = self.weights.matrix(name, shape);
            return Ok((matrix.dtype, matrix.pieces.clone()));
        }
        let packed = self.scratch(shape.packed_bytes(DType::F32));
        let stored = self.read(weight);
        self.push(repack::dispatch(shape, DType::F32, stored, packed.clone()))?;
        let piece = MatrixPiece { first_output: 0, shape, packed, scales: Binding::Absent };
        Ok((DType::F32, vec![piece]))
    }

    fn embedding(&mut self, step: &Step) -> Result<()> {
        let node = self.graph.node(step.node);
        let (ids, table) = (node.operands[0], node.operands[1]);
        let (table_rows, width) = (self.graph.shape(table)[0], self.graph.shape(table)[1]);
        let count = self.graph.shape(ids).iter().product();
        let (ids, y) = (self.read(ids), Binding::Value(step.result));
        let owner = &self.graph.node(self.storage.owner(table)).op;
        let stored = match (owner, weight_form(self.graph, self.storage, step.node)) {
            (Op::Parameter { name }, Form::Table) => self.weights.table(name),
            _ => None,
        };
        let Some(stored) = stored else {
            let shape = EmbeddingShape { count, width, table_rows, first_row: 0, rows: table_rows };
            let bindings = [self.read(table), ids, y, Binding::Absent];
            return self.push(embedding::dispatch(&shape, DType::F32, bindings));
        };
        for piece in &stored.pieces {
            let shape =
                EmbeddingShape { count, width, table_rows, first_row: piece.first_row, rows: piece.rows };
            let scales = stored.scales.clone().map_or(Binding::Absent, Binding::Buffer);
            let rows = Binding::Buffer(piece.buffer.clone());
            let bindings = [rows, ids.clone(), y.clone(), scales];
            self.push(embedding::dispatch(&shape, stored.dtype, bindings))?;
        }
        Ok(())
    }

    /// An output that merely renames an input or a parameter needs a copy.
    fn copy_to_output(&mut self, value: Value) -> Result<()> {
        if self.storage.written(self.graph, value) == self.storage.owner(value) {
            return Ok(());
        }
        let elements = self.graph.shape(value).iter().product();
        let bindings = [self.read(value), Binding::Value(value)];
        self.push(unary::dispatch(elements, None, [1.0, 0.0], bindings))
    }

    /// Where the elements of `value` are.
    fn read(&self, value: Value) -> Binding {
        let owner = self.storage.owner(value);
        match &self.graph.node(owner).op {
            Op::Parameter { name } => self.weights.plain(name).map_or(Binding::Absent, Binding::Buffer),
            _ => Binding::Value(owner),
        }
    }

    fn scratch(&mut self, bytes: u64) -> Binding {
        self.done.scratch.push(bytes);
        Binding::Scratch(self.done.scratch.len() - 1)
    }

    fn constants(&self, bytes: &[u8]) -> Result<Binding> {
        let buffer = GpuBuffer::new(self.device, "constants", bytes.len() as u64)?;
        self.device.queue().write_buffer(buffer.raw(), 0, bytes);
        Ok(Binding::Buffer(Rc::new(buffer)))
    }

    fn bytes(&self, binding: &Binding) -> u64 {
        match binding {
            Binding::Value(value) => value_bytes(self.graph, *value),
            Binding::Scratch(index) => self.done.scratch[*index],
            Binding::Buffer(buffer) => buffer.bytes(),
            Binding::Absent => 0,
            Binding::Part { bytes, .. } => *bytes,
        }
    }

    /// Adds a dispatch. WebGPU refuses two writable bindings of the same memory, and every binding here is writable, so
    /// an operand that comes twice is copied.
    fn push(&mut self, mut dispatch: Dispatch) -> Result<()> {
        if let Some(&count) = dispatch.workgroups.iter().find(|count| **count as usize > MAX_WORKGROUPS) {
            return Err(Error::LimitTooSmall {
                limit: "maxComputeWorkgroupsPerDimension".to_owned(),
                required: u64::from(count),
                available: MAX_WORKGROUPS as u64,
            });
        }
        for index in 0..dispatch.bindings.len() {
            let binding = dispatch.bindings[index].clone();
            let bytes = self.bytes(&binding);
            let name = format!("{:?}", dispatch.variant.kernel);
            self.device.require_binding(&name, bytes)?;
            if dispatch.bindings[..index].iter().any(|earlier| same_memory(earlier, &binding)) {
                let copy = self.scratch(bytes);
                let bindings = [binding, copy.clone()];
                self.done.dispatches.push(unary::dispatch(bytes as usize / 4, None, [1.0, 0.0], bindings));
                dispatch.bindings[index] = copy;
            }
        }
        self.done.dispatches.push(dispatch);
        Ok(())
    }
}

/// Bytes of a value's memory.
pub fn value_bytes(graph: &Graph, value: Value) -> u64 {
    let bytes = 4 * graph.shape(value).iter().map(|&extent| extent as u64).product::<u64>();
    bytes.next_multiple_of(ALIGNMENT)
}

/// Rows `run` of a binding, `width` elements each.
fn elements_of(binding: &Binding, run: &Range<usize>, width: usize) -> Binding {
    binding.part(run.start * width..run.end * width)
}

fn same_memory(a: &Binding, b: &Binding) -> bool {
    match (a.whole(), b.whole()) {
        (Binding::Value(a), Binding::Value(b)) => a == b,
        (Binding::Scratch(a), Binding::Scratch(b)) => a == b,
        (Binding::Buffer(a), Binding::Buffer(b)) => Rc::ptr_eq(a, b),
        _ => false,
    }
}
