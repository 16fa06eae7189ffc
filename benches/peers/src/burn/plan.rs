//! A graph as a list of Burn's operations.

use std::collections::HashMap;

use burn_tensor::Tensor;
use tenstep::graph::{Graph, Op, Value};

use super::four;
use super::ops::{self, Operation};
use super::parameters::Parameters;

pub struct Plan {
    steps: Vec<Step>,
    values: usize,
    inputs: HashMap<String, Input>,
    output: usize,
}

struct Input {
    value: usize,
    shape: [usize; 4],
}

struct Step {
    operation: Operation,
    operands: Vec<Operand>,
    value: usize,
}

enum Operand {
    Parameter(Tensor<4>),
    /// With `last`, nothing later reads the value, so that Burn may reuse its memory.
    Value {
        value: usize,
        last: bool,
    },
}

impl Plan {
    pub fn new(graph: &Graph, parameters: &Parameters) -> Result<Self, String> {
        let inputs = graph.inputs().map(|(name, value)| {
            let shape = four(graph.shape(value))?;
            Ok((name.to_owned(), Input { value: value.index(), shape }))
        });
        let (_, output) = graph.outputs().next().ok_or("the graph has no output")?;
        // Backwards, so that the first reader met is the last one to run.
        let mut read_later = vec![false; graph.nodes().len()];
        read_later[output.index()] = true;
        let mut steps = Vec::new();
        for (value, node) in graph.values().collect::<Vec<_>>().into_iter().rev() {
            if matches!(node.op, Op::Input { .. } | Op::Parameter { .. }) || !read_later[value.index()] {
                continue;
            }
            let operation = ops::operation(graph, node, parameters)?;
            let read = &node.operands[..ops::values_read(node)];
            let operands =
                read.iter().rev().map(|&operand| operand_of(graph, operand, parameters, &mut read_later));
            let mut operands = operands.collect::<Result<Vec<_>, String>>()?;
            operands.reverse();
            steps.push(Step { operation, operands, value: value.index() });
        }
        steps.reverse();
        Ok(Self {
            steps,
            values: graph.nodes().len(),
            inputs: inputs.collect::<Result<_, String>>()?,
            output: output.index(),
        })
    }

    /// The shape of an input as a tensor.
    pub fn input(&self, name: &str) -> Option<[usize; 4]> {
        self.inputs.get(name).map(|input| input.shape)
    }

    /// The graph's output.
    pub fn evaluate(&self, inputs: &HashMap<String, Tensor<4>>) -> Result<Tensor<4>, String> {
        let mut values: Vec<Option<Tensor<4>>> = vec![None; self.values];
        for (name, input) in &self.inputs {
            let tensor = inputs.get(name).ok_or_else(|| format!("input {name} was not written"))?;
            values[input.value] = Some(tensor.clone());
        }
        for step in &self.steps {
            let operands = step.operands.iter().map(|operand| operand.take(&mut values)).collect();
            values[step.value] = Some((step.operation)(operands));
        }
        Ok(values[self.output].take().expect("the output has a step"))
    }
}

fn operand_of(
    graph: &Graph,
    operand: Value,
    parameters: &Parameters,
    read_later: &mut [bool],
) -> Result<Operand, String> {
    if matches!(graph.node(operand).op, Op::Parameter { .. }) {
        return parameters.value(graph, operand).map(Operand::Parameter);
    }
    let last = !std::mem::replace(&mut read_later[operand.index()], true);
    Ok(Operand::Value { value: operand.index(), last })
}

impl Operand {
    fn take(&self, values: &mut [Option<Tensor<4>>]) -> Tensor<4> {
        match self {
            Self::Parameter(tensor) => tensor.clone(),
            Self::Value { value, last } => {
                let slot = &mut values[*value];
                let tensor = if *last { slot.take() } else { slot.clone() };
                tensor.expect("operands come earlier and live until their last use")
            }
        }
    }
}
