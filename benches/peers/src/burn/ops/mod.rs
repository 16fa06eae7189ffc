//! What each operation of a graph is in Burn's tensors.

mod attention;
mod convolution;
mod elementwise;
mod lookup;
mod normalisation;
mod product;
mod rearrangement;

use burn_tensor::Tensor;
use tenstep::graph::{Graph, Node, Op};

use super::four;
use super::parameters::Parameters;

/// Makes a value of the values that it reads. Weights and biases it holds itself.
pub type Operation = Box<dyn Fn(Vec<Tensor<4>>) -> Tensor<4>>;

/// How many of a node's operands are values to its [`Operation`]; those after them are its weights.
pub fn values_read(node: &Node) -> usize {
    match node.op {
        Op::Linear | Op::Conv2d { .. } | Op::GroupNorm { .. } | Op::LayerNorm { .. } | Op::Embedding => 1,
        _ => node.operands.len(),
    }
}

/// The operation of `node`.
pub fn operation(graph: &Graph, node: &Node, parameters: &Parameters) -> Result<Operation, String> {
    let vector = |operand: usize| parameters.vector(graph, node.operands[operand]);
    let bias = || node.operands.get(2).map(|&bias| parameters.vector(graph, bias)).transpose();
    let shape = four(&node.shape)?;
    Ok(match &node.op {
        Op::Input { .. } | Op::Parameter { .. } => return Err("given, not computed".to_owned()),
        Op::Linear => product::linear(parameters.matrix(graph, node.operands[1])?, bias()?),
        Op::Conv2d { stride, padding } => {
            convolution::conv2d(parameters.kernel(graph, node.operands[1])?, bias()?, *stride, *padding)
        }
        Op::GroupNorm { groups, eps } => {
            normalisation::group_norm(vector(1)?, vector(2)?, node.shape[0], *groups, *eps)
        }
        Op::LayerNorm { eps } => normalisation::layer_norm(vector(1)?, vector(2)?, *eps),
        Op::Activation(activation) => elementwise::activation(*activation),
        Op::Add => Box::new(|operands| elementwise::binary(operands, Tensor::add)),
        Op::Multiply => Box::new(|operands| elementwise::binary(operands, Tensor::mul)),
        Op::Affine { scale, shift } => elementwise::affine(*scale, *shift),
        Op::Geglu => elementwise::geglu(shape[3]),
        Op::Attention { heads, scale, causal } => attention::attention(*heads, *scale, *causal),
        Op::Embedding => lookup::embedding(parameters.table(graph, node.operands[1])?, shape),
        Op::TimestepEmbedding { dim, flip_sin_to_cos, freq_shift } => {
            lookup::timestep_embedding(parameters.device(), *dim, *flip_sin_to_cos, *freq_shift)
        }
        Op::Upsample { height, width } => rearrangement::upsample(*height, *width),
        Op::Concat => Box::new(|operands| Tensor::cat(operands, 3)),
        Op::Slice { start, len } => rearrangement::slice(*start, *len),
        Op::Reshape => rearrangement::reshape(shape),
    })
}

/// The one value that an operation reads.
fn only(operands: Vec<Tensor<4>>) -> Tensor<4> {
    let [x] = few(operands);
    x
}

/// The values that an operation reads.
fn few<const N: usize>(operands: Vec<Tensor<4>>) -> [Tensor<4>; N] {
    operands.try_into().expect("the graph's builder counted the operands")
}
