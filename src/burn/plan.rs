//! A graph made ready to run: what each step reads, for how long, and the weights in the layout it wants.

use std::cell::RefCell;

use burn_flex::FlexTensor;

use super::columns::columns_from_stored;
use super::ops;
use super::tensor::{Tensor, require_memory};
use super::weights::Weights;
use crate::error::Result;
use crate::executor::PIECE_MILLIS;
use crate::graph::{Graph, Op, Shape, Value};
use crate::host::{now_millis, other_tasks};

/// A graph made ready to run. It shares its parameters with the other plans of the same weights.
pub struct Plan {
    /// What depends on lasting inputs alone.
    lasting_steps: Vec<Step>,
    /// What the lasting steps made and the others read.
    kept: RefCell<Vec<(usize, FlexTensor)>>,
    steps: Vec<Step>,
    values: usize,
    inputs: Vec<Named>,
    outputs: Vec<Named>,
}

struct Named {
    name: String,
    value: Value,
    tensor: Tensor,
}

/// One operation. Steps that no output depends on are left out.
struct Step {
    op: Op,
    operands: Vec<Operand>,
    value: Value,
    shape: Shape,
}

enum Operand {
    Parameter(FlexTensor),
    /// With `last`, nothing later reads the value, and the step may reuse its memory. Weights that are computed, and
    /// not a parameter, become `columns` at each evaluation.
    Value {
        value: Value,
        last: bool,
        columns: bool,
    },
}

impl Plan {
    pub(super) fn new(graph: &Graph, weights: &Weights) -> Result<Self> {
        for (name, value) in graph.parameters() {
            weights.require(name, graph.shape(value))?;
        }
        let named = |name: &str, value: Value| -> Result<Named> {
            Ok(Named { name: name.to_owned(), value, tensor: Tensor::zeros(graph.shape(value))? })
        };
        let inputs = graph.inputs().map(|(name, value)| named(name, value)).collect::<Result<_>>()?;
        let outputs = graph.outputs().map(|(name, value)| named(name, value)).collect::<Result<_>>()?;

        // Backwards, so that the first reader met is the last one to run.
        let mut read_later = vec![false; graph.nodes().len()];
        for (_, value) in graph.outputs() {
            read_later[value.index()] = true;
        }
        let lasting = graph.lasting();
        let (first, others): (Vec<_>, Vec<_>) = graph.values().partition(|(value, _)| lasting[value.index()]);
        let mut steps = Vec::new();
        for (value, node) in first.into_iter().chain(others).rev() {
            if matches!(node.op, Op::Input { .. } | Op::Parameter { .. }) || !read_later[value.index()] {
                continue;
            }
            let mut operands = node
                .operands
                .iter()
                .enumerate()
                .rev()
                .map(|(position, &operand)| {
                    let columns = position == 1 && matches!(node.op, Op::Linear | Op::Conv2d { .. });
                    if let Op::Parameter { name } = &graph.node(operand).op {
                        let shape = graph.shape(operand);
                        let tensor =
                            if columns { weights.columns(name, shape) } else { weights.stored(name, shape) };
                        return tensor.map(Operand::Parameter);
                    }
                    let last = !std::mem::replace(&mut read_later[operand.index()], true);
                    Ok(Operand::Value { value: operand, last, columns })
                })
                .collect::<Result<Vec<_>>>()?;
            operands.reverse();
            steps.push(Step { op: node.op.clone(), operands, value, shape: node.shape.clone() });
        }
        steps.reverse();
        require_memory(most_elements(&steps, graph))?;
        let others = steps.split_off(steps.partition_point(|step| lasting[step.value.index()]));
        Ok(Self {
            lasting_steps: steps,
            kept: RefCell::default(),
            steps: others,
            values: graph.nodes().len(),
            inputs,
            outputs,
        })
    }

    pub(super) fn input(&self, name: &str) -> Option<&Tensor> {
        self.inputs.iter().find(|input| input.name == name).map(|input| &input.tensor)
    }

    pub(super) fn output(&self, name: &str) -> Option<&Tensor> {
        self.outputs.iter().find(|output| output.name == name).map(|output| &output.tensor)
    }

    /// Runs the lasting steps.
    pub(super) fn prepare(&self) {
        let mut values = self.values_of_inputs();
        self.lasting_steps.iter().for_each(|step| step.run(&mut values));
        let made = self.lasting_steps.iter().map(|step| step.value.index());
        let kept = made.filter_map(|index| Some((index, values[index].take()?)));
        *self.kept.borrow_mut() = kept.collect();
    }

    /// Runs every other step. A value's memory is reused or freed at its last use.
    pub(super) fn evaluate(&self) {
        let mut values = self.values_of_inputs();
        self.steps.iter().for_each(|step| step.run(&mut values));
        self.set_outputs(&values);
    }

    /// The same, with the milliseconds of each step and the node that it is.
    #[cfg(feature = "native")]
    pub(crate) fn evaluate_timed(&self) -> Vec<(Value, f64)> {
        let mut values = self.values_of_inputs();
        let timed = |step: &Step| {
            let started = now_millis();
            step.run(&mut values);
            (step.value, now_millis() - started)
        };
        let times = self.steps.iter().map(timed).collect();
        self.set_outputs(&values);
        times
    }

    /// The same, with turns for the host's other tasks.
    pub(super) async fn evaluate_in_pieces(&self) {
        let mut values = self.values_of_inputs();
        let mut started = now_millis();
        for step in &self.steps {
            step.run(&mut values);
            if now_millis() - started > PIECE_MILLIS {
                other_tasks().await;
                started = now_millis();
            }
        }
        self.set_outputs(&values);
    }

    fn values_of_inputs(&self) -> Vec<Option<FlexTensor>> {
        let mut values = vec![None; self.values];
        for input in &self.inputs {
            values[input.value.index()] = Some(input.tensor.get());
        }
        for (index, tensor) in self.kept.borrow().iter() {
            values[*index] = Some(tensor.clone());
        }
        values
    }

    fn set_outputs(&self, values: &[Option<FlexTensor>]) {
        for output in &self.outputs {
            output.tensor.set(values[output.value.index()].clone().expect("every output has a step"));
        }
    }
}

impl Step {
    fn run(&self, values: &mut [Option<FlexTensor>]) {
        let operands = self.operands.iter().map(|operand| operand.take(values)).collect();
        values[self.value.index()] = Some(ops::evaluate(&self.op, operands, &self.shape));
    }
}

impl Operand {
    fn take(&self, values: &mut [Option<FlexTensor>]) -> FlexTensor {
        match self {
            Self::Parameter(tensor) => tensor.clone(),
            Self::Value { value, last, columns } => {
                let slot = &mut values[value.index()];
                let tensor = if *last { slot.take() } else { slot.clone() };
                let tensor = tensor.expect("operands come earlier and live until their last use");
                if *columns { columns_from_stored(&tensor) } else { tensor }
            }
        }
    }
}

/// Most elements that values hold at any step, without the inputs.
fn most_elements(steps: &[Step], graph: &Graph) -> usize {
    let elements =
        |value: Value| graph.shape(value).iter().fold(1usize, |total, &extent| total.saturating_mul(extent));
    let (mut live, mut most) = (0usize, 0);
    for step in steps {
        live = live.saturating_add(elements(step.value));
        most = most.max(live);
        for operand in &step.operands {
            if let Operand::Value { value, last: true, .. } = operand
                && !matches!(graph.node(*value).op, Op::Input { .. })
            {
                live = live.saturating_sub(elements(*value));
            }
        }
    }
    most
}
