//! Which memory holds a value, and in which form a parameter is wanted.

use std::collections::HashSet;

use super::buffer::ALIGNMENT;
use super::fusion::Step;
use super::kernels::repack::MatrixShape;
use super::weights::Form;
use crate::graph::{Graph, Op, Value};

/// Which node's memory holds each value: a reshape's is its operand's, a fused step's is its result's.
pub struct Storage(Vec<Value>);

impl Storage {
    /// For a graph whose work is done by `steps`.
    pub fn of(graph: &Graph, steps: &[Step]) -> Self {
        let mut owners: Vec<Value> = graph.values().map(|(value, _)| value).collect();
        let joined = steps.iter().flat_map(|step| step.joined.iter().map(|(_, result)| *result));
        let results: HashSet<Value> = steps.iter().map(|step| step.result).chain(joined).collect();
        for (value, node) in graph.values() {
            if matches!(node.op, Op::Reshape) && !results.contains(&value) {
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

/// The parameters that `steps` use by themselves, and in which form. A parameter may come more than once.
pub fn parameter_forms(
    graph: &Graph,
    steps: &[Step],
    storage: &Storage,
    winograd: &HashSet<Value>,
) -> Vec<(String, Form)> {
    let mut forms = Vec::new();
    let mut note = |value: Value, form: Form| {
        if let Op::Parameter { name } = &graph.node(storage.owner(value)).op {
            forms.push((name.clone(), form));
        }
    };
    for step in steps.iter().filter(|step| step.joined.is_empty()) {
        let node = graph.node(step.node);
        for (position, &operand) in node.operands.iter().enumerate() {
            let form = match position {
                1 if winograd.contains(&step.node) => Form::Winograd(MatrixShape::of(graph.shape(operand))),
                1 => weight_form(graph, storage, step),
                _ => Form::Plain,
            };
            note(operand, form);
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

/// In which form a step's node reads its second operand, if that is a parameter.
pub fn weight_form(graph: &Graph, storage: &Storage, step: &Step) -> Form {
    let node = graph.node(step.node);
    let operand = node.operands[1];
    let (seen, stored) = (graph.shape(operand), graph.shape(storage.owner(operand)));
    match node.op {
        // Seen through a reshape that cuts its rows or channels otherwise, it has other scales: then it goes by way of f32.
        Op::Linear | Op::Conv2d { .. } if stored.starts_with(&seen[..2]) => {
            Form::Matrix(MatrixShape { gated: step.gated, ..MatrixShape::of(seen) })
        }
        Op::Embedding if seen == stored => Form::Table,
        _ => Form::Plain,
    }
}

/// Bytes of a value's memory.
pub fn value_bytes(graph: &Graph, value: Value) -> u64 {
    let bytes = 4 * graph.shape(value).iter().map(|&extent| extent as u64).product::<u64>();
    bytes.next_multiple_of(ALIGNMENT)
}
