//! [`Cpu`]: the executor contract on the host.

use super::plan::Plan;
use super::tensor::{Tensor, from_values, shape, values};
use super::weights::Weights;
use crate::error::{Error, Result};
use crate::executor::{Arithmetic, BackendReport, Command, Executor, MAX_TERMS, Term};
use crate::graph::Graph;
use crate::solver::Thresholding;
use crate::weights::TensorInfo;

/// The host's processor. Work is done when it is submitted, so nothing is ever in flight.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu;

impl Cpu {
    /// The processor that this runs on.
    pub fn new() -> Self {
        Self
    }
}

/// Tensors' values as they were when the copy began.
#[derive(Debug)]
pub struct Copied(Option<Vec<f32>>);

impl Executor for Cpu {
    type Tensor = Tensor;
    type Weights = Weights;
    type Plan = Plan;
    type Readback = Copied;

    fn report(&self) -> BackendReport {
        // A browser does not tell its pages what the processor is.
        let device = if cfg!(target_family = "wasm") { "" } else { std::env::consts::ARCH };
        BackendReport {
            backend: "cpu",
            device: device.to_owned(),
            shader_f16: false,
            arithmetic: Arithmetic::F32,
        }
    }

    fn tensor(&self, shape: &[usize]) -> Result<Tensor> {
        Tensor::zeros(shape)
    }

    fn write(&self, tensor: &Tensor, values: &[f32]) -> Result<()> {
        if values.len() != tensor.elements() {
            return Err(Error::ShapeMismatch {
                operation: "write".to_owned(),
                expected: format!("{} values", tensor.elements()),
                actual: format!("{}", values.len()),
            });
        }
        tensor.set(from_values(values.to_vec(), shape(&tensor.get())));
        Ok(())
    }

    fn weights(&self, tensors: &[TensorInfo]) -> Result<Weights> {
        Weights::new(tensors)
    }

    fn push(&self, weights: &mut Weights, tensor: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        weights.push(tensor, offset, bytes)
    }

    async fn plan(&self, graph: &Graph, weights: &Weights) -> Result<Plan> {
        Plan::new(graph, weights)
    }

    fn input<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Tensor> {
        plan.input(name)
    }

    fn output<'a>(&self, plan: &'a Plan, name: &str) -> Option<&'a Tensor> {
        plan.output(name)
    }

    fn submit(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        for command in commands {
            match command {
                Command::Prepare(plan) => plan.prepare(),
                Command::Evaluate(plan) => plan.evaluate(),
                Command::Combine { out, offset, len, terms } => combine(out, *offset, *len, terms, 0.0)?,
                Command::CombineRescaled { out, offset, len, terms, rescale } => {
                    combine(out, *offset, *len, terms, *rescale)?;
                }
                Command::Threshold { estimate, len, thresholding } => {
                    threshold(estimate, *len, *thresholding)?;
                }
            }
        }
        Ok(())
    }

    async fn submit_in_pieces(&self, commands: &[Command<'_, Self>]) -> Result<()> {
        for command in commands {
            match command {
                Command::Evaluate(plan) => plan.evaluate_in_pieces().await,
                other => self.submit(std::slice::from_ref(other))?,
            }
        }
        Ok(())
    }

    fn begin_read(&self, tensors: &[&Tensor]) -> Result<Option<Copied>> {
        Ok(Some(Copied(Some(tensors.iter().flat_map(|tensor| values(&tensor.get()).to_vec()).collect()))))
    }

    async fn try_read(&self, readback: &mut Copied) -> Result<Option<Vec<f32>>> {
        Ok(readback.0.take())
    }

    async fn read(&self, tensor: &Tensor) -> Result<Vec<f32>> {
        Ok(values(&tensor.get()).to_vec())
    }

    async fn settle(&self, _in_flight: usize) -> Result<()> {
        Ok(())
    }
}

fn combine(out: &Tensor, offset: usize, len: usize, terms: &[Term<'_, Tensor>], rescale: f32) -> Result<()> {
    let holds =
        |tensor: &Tensor, start: usize| start.checked_add(len).is_some_and(|end| end <= tensor.elements());
    let fits = terms.len() <= MAX_TERMS
        && holds(out, offset)
        && terms.iter().all(|term| holds(term.tensor, term.offset));
    if !fits {
        let sizes: Vec<String> =
            terms.iter().map(|term| format!("{} from {}", term.tensor.elements(), term.offset)).collect();
        return Err(Error::ShapeMismatch {
            operation: "combine".to_owned(),
            expected: format!(
                "at most {MAX_TERMS} terms, and tensors that hold {len} elements from the offset"
            ),
            actual: format!("{} from {offset} = {}", out.elements(), sizes.join(" + ")),
        });
    }
    // In f64: the result is rounded once, however many terms there are.
    let mut sums = vec![0.0f64; len];
    for term in terms {
        let tensor = term.tensor.get();
        let coefficient = f64::from(term.coefficient);
        for (sum, &value) in sums.iter_mut().zip(&values(&tensor)[term.offset..]) {
            *sum += coefficient * f64::from(value);
        }
    }
    let mut factor = 1.0;
    if let Some(first) = terms.first().filter(|_| rescale != 0.0) {
        let tensor = first.tensor.get();
        let first = values(&tensor)[first.offset..][..len].iter().map(|&value| f64::from(value));
        factor += f64::from(rescale) * (deviation(first) / deviation(sums.iter().copied()) - 1.0);
    }
    out.with_values_mut(|values| {
        for (value, sum) in values[offset..].iter_mut().zip(&sums) {
            *value = (factor * sum) as f32;
        }
    });
    Ok(())
}

fn threshold(estimate: &Tensor, len: usize, thresholding: Thresholding) -> Result<()> {
    if len > estimate.elements() {
        return Err(Error::ShapeMismatch {
            operation: "threshold".to_owned(),
            expected: format!("a tensor that holds {len} elements"),
            actual: estimate.elements().to_string(),
        });
    }
    estimate.with_values_mut(|values| {
        let mut exact: Vec<f64> = values[..len].iter().map(|&value| f64::from(value)).collect();
        thresholding.apply(&mut exact);
        for (value, exact) in values.iter_mut().zip(exact) {
            *value = exact as f32;
        }
    });
    Ok(())
}

fn deviation(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    (values.map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}
