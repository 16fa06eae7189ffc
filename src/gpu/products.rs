//! Products with weights, and rows looked up in them.

use super::fusion::Step;
use super::joint;
use super::kernels::conv2d::{self, Conv2dShape, MatrixPiece, Product};
use super::kernels::embedding::{self, EmbeddingShape};
use super::kernels::epilogue::{Added, Epilogue};
use super::kernels::repack::{self, MatrixShape};
use super::kernels::sum_parts::{Parts, Unsummed};
use super::kernels::{Binding, Source, Strided, linear};
use super::lowering::{Lowering, elements_of, same_memory};
use super::storage::weight_form;
use super::weights::Form;
use crate::error::Result;
use crate::graph::{Op, Value};
use crate::weights::DType;

impl Lowering<'_> {
    pub fn product(&mut self, step: &Step) -> Result<()> {
        let node = self.graph.node(step.node);
        let weight = node.operands[1];
        let matrix = MatrixShape { gated: step.gated, ..MatrixShape::of(self.graph.shape(weight)) };
        if let (Op::Parameter { name }, true) =
            (&self.graph.node(weight).op, self.winograd.contains(&step.node))
        {
            return self.winograd_product(step, &self.convolution(step, matrix), name);
        }
        let (dtype, pieces) = self.matrix(step, weight, matrix)?;
        let epilogue = self.epilogue(step);
        let (source, y) = (self.source(step.source(self.graph)), Binding::Value(step.result));
        let x = source.x.clone();
        let shape = match node.op {
            Op::Conv2d { .. } => self.convolution(step, matrix),
            _ => {
                let rows = node.shape.iter().product::<usize>() / matrix.outputs;
                if self.takes_linear(rows) {
                    let dispatches = linear::dispatches(rows, matrix, dtype, &x, &pieces, &epilogue, &y);
                    return dispatches.into_iter().try_for_each(|dispatch| self.push(dispatch));
                }
                Conv2dShape {
                    many_threads: self.device.has_many_threads(),
                    ..Conv2dShape::linear(rows, matrix)
                }
            }
        };
        let (channels, outputs) = (matrix.channels, matrix.results());
        let most_rows = conv2d::most_rows(shape.many_threads);
        let runs = self.runs(shape.rows(), channels.max(outputs), |rows| {
            let pixels = conv2d::Run::of(&shape, rows.clone()).pixels;
            rows.len() <= most_rows
                && self.fits(&x, pixels.len() * channels)
                && self.fits(&y, rows.len() * outputs)
        })?;
        let whole = Product {
            shape: &shape,
            dtype,
            source: &source,
            pieces: &pieces,
            epilogue: &epilogue,
            y: &y,
            run: &conv2d::Run::all(&shape),
        };
        for rows in runs {
            if rows.len() == shape.rows() {
                let later = whole.pieces.len() == 1 && self.next_adds_up(step, &epilogue);
                let parts = self.push_product(&whole, later)?;
                self.unsummed = parts.map(|parts| Unsummed { parts, epilogue: epilogue.clone() });
                continue;
            }
            let run = conv2d::Run::of(&shape, rows);
            let [x, y] = [elements_of(&x, &run.pixels, channels), elements_of(&y, &run.rows, outputs)];
            let residual = epilogue.residual.as_ref();
            let residual = residual.map(|residual| elements_of(residual, &run.rows, outputs));
            let epilogue = Epilogue { residual, ..epilogue.clone() };
            let source = Source { x, second: None };
            let product = Product { source: &source, epilogue: &epilogue, y: &y, run: &run, ..whole };
            self.push_product(&product, false)?;
        }
        Ok(())
    }

    /// Whether a linear map of so many rows has a kernel of its own. Processors in disguise have tiles for few rows.
    fn takes_linear(&self, rows: usize) -> bool {
        rows <= linear::FEW_ROWS && self.device.has_many_threads()
    }

    /// With parts of its sums where these are added up `later`.
    fn push_product(&mut self, product: &Product, later: bool) -> Result<Option<Parts>> {
        let (dispatches, parts) =
            conv2d::dispatches(product, |bytes| self.scratch_in_a_binding(bytes), later);
        dispatches.into_iter().try_for_each(|dispatch| self.push(dispatch))?;
        Ok(parts)
    }

    /// What a step does after its product.
    pub fn epilogue(&self, step: &Step) -> Epilogue {
        Epilogue {
            bias: self.graph.node(step.node).operands.get(2).map(|&bias| self.read(bias)),
            added: step.added.map(|(value, rows)| Added { row: self.rows_of(value), rows }),
            activation: step.activation,
            residual: step.residual.map(|value| self.read(value)),
            last: step.last,
        }
    }

    /// The extents of a step that is a convolution.
    fn convolution(&self, step: &Step, matrix: MatrixShape) -> Conv2dShape {
        let node = self.graph.node(step.node);
        let (from, to) = (self.graph.shape(node.operands[0]), &node.shape);
        let (stride, [top, left, ..]) = match node.op {
            Op::Conv2d { stride, padding } => (stride, padding),
            _ => (1, [0; 4]),
        };
        Conv2dShape {
            batch: from[0],
            height: from[1],
            width: from[2],
            out_height: to[1],
            out_width: to[2],
            kernel_width: self.graph.shape(node.operands[1])[3],
            stride,
            top,
            left,
            doubled: step.doubled.is_some(),
            many_threads: self.device.has_many_threads(),
            matrix,
        }
    }

    /// Linear maps of one value by one product, whose rows their results share.
    pub fn joint_product(&mut self, step: &Step) -> Result<()> {
        let x = step.source(self.graph);
        let form = joint::form(self.graph, &step.joined);
        let (joint, matrix) = (self.weights.joint(&form), form.shape);
        let rows = self.graph.shape(x).iter().product::<usize>() / matrix.channels;
        let y = self.scratch(4 * (rows * matrix.outputs) as u64);
        let mut first = 0;
        for &(_, result) in &step.joined {
            let strided = Strided { binding: y.clone(), first, stride: matrix.outputs };
            first += self.graph.shape(result).last().copied().unwrap_or(0);
            self.strided.insert(result, strided);
        }
        let epilogue = Epilogue { bias: joint.bias.clone().map(Binding::Buffer), ..Epilogue::default() };
        let source = self.source(x);
        let (dtype, pieces) = (joint.matrix.dtype, &joint.matrix.pieces);
        if self.takes_linear(rows) {
            let dispatches = linear::dispatches(rows, matrix, dtype, &source.x, pieces, &epilogue, &y);
            return dispatches.into_iter().try_for_each(|dispatch| self.push(dispatch));
        }
        let many_threads = self.device.has_many_threads();
        let shape = Conv2dShape { many_threads, ..Conv2dShape::linear(rows, matrix) };
        let product = Product {
            shape: &shape,
            dtype,
            source: &source,
            pieces,
            epilogue: &epilogue,
            y: &y,
            run: &conv2d::Run::all(&shape),
        };
        self.push_product(&product, false).map(drop)
    }

    pub fn embedding(&mut self, step: &Step) -> Result<()> {
        let node = self.graph.node(step.node);
        let (ids, table) = (node.operands[0], node.operands[1]);
        let (table_rows, width) = (self.graph.shape(table)[0], self.graph.shape(table)[1]);
        let count = self.graph.shape(ids).iter().product();
        let ids = self.read(ids);
        if let Some(rows) = self.strided.get(&self.storage.owner(table)).cloned() {
            let binding = self.joint_lookup(&rows, table_rows, &ids, count)?;
            self.strided.insert(step.result, Strided { binding, ..rows });
            return Ok(());
        }
        let y = Binding::Value(step.result);
        let owner = &self.graph.node(self.storage.owner(table)).op;
        let stored = match (owner, weight_form(self.graph, self.storage, step)) {
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

    /// Whole rows of a joint product for `count` ids, which all of its members' readers share.
    fn joint_lookup(
        &mut self,
        rows: &Strided,
        table_rows: usize,
        ids: &Binding,
        count: usize,
    ) -> Result<Binding> {
        let mut known = self.looked_up.iter();
        let known = known.find(|(of, from, _)| same_memory(of, ids) && same_memory(from, &rows.binding));
        if let Some((_, _, y)) = known {
            return Ok(y.clone());
        }
        let y = self.scratch(4 * (count * rows.stride) as u64);
        let shape = EmbeddingShape { count, width: rows.stride, table_rows, first_row: 0, rows: table_rows };
        let bindings = [rows.binding.clone(), ids.clone(), y.clone(), Binding::Absent];
        self.push(embedding::dispatch(&shape, DType::F32, bindings))?;
        self.looked_up.push((ids.clone(), rows.binding.clone(), y.clone()));
        Ok(y)
    }

    /// A weight in kernel layout: made at load if it is a parameter, here and now if it is computed.
    fn matrix(
        &mut self,
        step: &Step,
        weight: Value,
        shape: MatrixShape,
    ) -> Result<(DType, Vec<MatrixPiece>)> {
        if let (Op::Parameter { name }, Form::Matrix(_)) =
            (&self.graph.node(self.storage.owner(weight)).op, weight_form(self.graph, self.storage, step))
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
}
