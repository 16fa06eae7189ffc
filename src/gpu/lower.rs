//! Fused steps to dispatches.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use super::device::Device;
use super::fusion::Step;
use super::kernels::attention::{self, AttentionShape, Operands};
use super::kernels::binary::{self, MAX_AXES, Repetition};
use super::kernels::copy_columns::{self, Columns};
use super::kernels::epilogue::Epilogue;
use super::kernels::group_norm::{self, FirstOfParts, GroupNormShape};
use super::kernels::sum_parts::Unsummed;
use super::kernels::timestep_embedding::{self, TimestepShape};
use super::kernels::{ALIGNED, Binding, Strided, conv2d, geglu, layer_norm, linear, unary, upsample};
use super::lowering::{Lowered, Lowering, elements_of, same_memory};
use super::storage::{Storage, value_bytes};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op, Value};

/// Lowers `steps`, whose parameters have been converted; those that last come first.
///
/// Errors: a value exceeds what one binding or one dispatch of the device can take.
pub fn lower(
    device: &Device,
    graph: &Graph,
    steps: &[Step],
    storage: &Storage,
    weights: &Weights,
    winograd: &HashSet<Value>,
) -> Result<Lowered> {
    let apart = read_apart(device, graph, steps, storage);
    let mut lowering = Lowering {
        device,
        graph,
        storage,
        weights,
        winograd,
        apart,
        next: None,
        reads: vec![0; graph.nodes().len()],
        unsummed: None,
        strided: HashMap::new(),
        looked_up: Vec::new(),
        done: Lowered::default(),
    };
    lowering.count_reads(steps);
    let lasting = graph.lasting();
    for (index, step) in steps.iter().enumerate() {
        lowering.next = steps[index + 1..].iter().find(|next| !lowering.apart.contains(&next.result));
        lowering.step(step)?;
        if lasting[step.result.index()] {
            lowering.done.lasting = lowering.done.dispatches.len();
        }
        lowering.done.note_step();
    }
    for (_, value) in graph.outputs() {
        lowering.copy_to_output(value)?;
    }
    Ok(lowering.done)
}

/// Concatenations that need not be made: of two tensors in whole units of four channels, read only by kernels that take two sources.
/// Those are what a UNet makes of skip connections.
fn read_apart(device: &Device, graph: &Graph, steps: &[Step], storage: &Storage) -> HashSet<Value> {
    let is_pair = |step: &&Step| {
        let parts = &graph.node(step.node).operands;
        let whole_units = |&part: &Value| graph.shape(part).last().is_some_and(|channels| channels % 4 == 0);
        graph.node(step.node).op == Op::Concat
            && step.node == step.result
            && parts.len() == 2
            && parts.iter().all(whole_units)
            && value_bytes(graph, step.node) <= device.max_binding_bytes()
    };
    let mut apart: HashSet<Value> = steps.iter().filter(is_pair).map(|step| step.node).collect();
    for step in steps {
        let node = graph.node(step.node);
        let fits = value_bytes(graph, step.result) <= device.max_binding_bytes();
        let rows = node.shape.iter().rev().skip(1).product::<usize>();
        let most_rows = conv2d::most_rows(device.has_many_threads());
        for (index, value) in step.reads(graph).into_iter().enumerate() {
            let shape = graph.shape(value);
            let takes_two = match node.op {
                _ if index > 0 => false,
                Op::GroupNorm { groups, eps } => GroupNormShape::of(shape, groups, eps).slices().0 == 1,
                Op::Conv2d { .. } => rows <= most_rows,
                Op::Linear => step.joined.is_empty() && (linear::FEW_ROWS + 1..=most_rows).contains(&rows),
                _ => false,
            };
            let owner = storage.owner(value);
            if !takes_two || !fits || shape != graph.shape(owner) {
                apart.remove(&owner);
            }
        }
    }
    for (_, value) in graph.outputs() {
        apart.remove(&storage.owner(value));
    }
    apart
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
            Op::Linear if !step.joined.is_empty() => self.joint_product(step),
            Op::Linear | Op::Conv2d { .. } => self.product(step),
            Op::GroupNorm { groups, eps } => {
                let norm = GroupNormShape::of(shape, *groups, *eps);
                let [x, gamma, beta] = [operand(0), operand(1), operand(2)];
                if let Some(unsummed) = self.unsummed.take() {
                    return self.norm_of_parts(step, &norm, unsummed, [gamma, beta, y]);
                }
                if norm.slices().0 == 1 && self.fits(&x, elements) && self.fits(&y, elements) {
                    let source = self.source(node.operands[0]);
                    let many_threads = self.device.has_many_threads();
                    let bindings = [gamma, beta, y];
                    let dispatch =
                        group_norm::dispatch(&norm, many_threads, step.activation, source, bindings);
                    return self.push(dispatch);
                }
                let stats = self.scratch(norm.stats_bytes());
                let (mut first, mut second) = (Vec::new(), Vec::new());
                for run in self.norm_runs(&norm, &x, &y)? {
                    let [x, y] = [&x, &y].map(|whole| run.show(&norm, whole));
                    let bindings = [x, gamma.clone(), beta.clone(), y, stats.clone()];
                    let [a, b] = group_norm::sliced_dispatches(&norm, &run, step.activation, bindings);
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
                let [q, k, v] = [0, 1, 2].map(|index| self.rows_of(node.operands[index]));
                // Other heads are read number by number, each operand from a binding of its own.
                let in_fours = (width / heads).is_multiple_of(4);
                let together = |a: &Strided, b: &Strided| {
                    let is_joint = a.stride == b.stride && !self.strided.is_empty();
                    in_fours && is_joint && same_memory(&a.binding, &b.binding)
                };
                let operands = match (together(&q, &k), together(&k, &v)) {
                    (true, true) => Operands::AllTogether { q, k_first: k.first, v_first: v.first },
                    (false, true) => Operands::KeysWithValues { q, v_first: v.first, k },
                    _ => Operands::Apart { q, k, v },
                };
                self.push(attention::dispatch(&attention, operands, y))
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
            Op::Concat if self.apart.contains(&step.result) => Ok(()),
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

    /// Notes how often values are read.
    fn count_reads(&mut self, steps: &[Step]) {
        let of_steps = steps.iter().flat_map(|step| step.reads(self.graph));
        let outputs = self.graph.outputs().map(|(_, value)| value);
        let read: Vec<Value> = of_steps.chain(outputs).flat_map(|value| self.values_of(value)).collect();
        read.into_iter().for_each(|value| self.reads[value.index()] += 1);
    }

    /// Whether the next step is a norm that can add up the parts of the sums of a product, its first source: it does so on its way, where
    /// a dispatch of its own would have to write them for it.
    pub fn next_adds_up(&self, step: &Step, epilogue: &Epilogue) -> bool {
        let Some(next) = self.next else { return false };
        let Op::GroupNorm { groups, eps } = self.graph.node(next.node).op else { return false };
        let (x, y) = (self.graph.node(next.node).operands[0], self.graph.node(step.node));
        let channels = y.shape.last().copied().unwrap_or(0);
        let norm = GroupNormShape::of(self.graph.shape(x), groups, eps);
        let values = self.values_of(x);
        let is_whole = values.len() > 1 || norm.channels == channels;
        values[0] == step.result
            && is_whole
            && !step.gated
            && channels.is_multiple_of(4)
            && norm.slices().0 == 1
            && norm.can_be_held(channels)
            && self.fits(&Binding::Value(next.result), norm.batch * norm.pixels * norm.channels)
            && group_norm::can_finish(epilogue)
    }

    fn norm_of_parts(
        &mut self,
        step: &Step,
        norm: &GroupNormShape,
        unsummed: Unsummed,
        bindings: [Binding; 3],
    ) -> Result<()> {
        let x = self.graph.node(step.node).operands[0];
        let (first, source) = (self.values_of(x)[0], self.source(x));
        let kept = (self.reads[first.index()] > 1).then(|| source.x.clone());
        let (second, channels) = source.second.unzip();
        let channels = channels.unwrap_or(norm.channels);
        let first = FirstOfParts { unsummed, kept, channels };
        self.push(group_norm::dispatch_of_parts(norm, step.activation, first, second, bindings))
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

    /// An output that merely renames an input or a parameter needs a copy.
    fn copy_to_output(&mut self, value: Value) -> Result<()> {
        if self.storage.written(self.graph, value) == self.storage.owner(value) {
            return Ok(());
        }
        let elements = self.graph.shape(value).iter().product();
        let bindings = [self.read(value), Binding::Value(value)];
        self.push(unary::dispatch(elements, None, [1.0, 0.0], bindings))
    }
}
