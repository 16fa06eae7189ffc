//! What a graph costs: arithmetic, and the bytes it touches.

use super::{Graph, Node, Op};

/// Totals over a graph. A multiply-add counts as two operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Floating-point operations of one evaluation.
    pub flops: u64,
    /// Parameters, in elements.
    pub parameters: u64,
    /// Bytes of f32 activations written.
    pub activation_bytes: u64,
}

impl Graph {
    /// Sum over all nodes.
    pub fn cost(&self) -> Cost {
        let mut total = Cost::default();
        for node in self.nodes() {
            let elements = elements(&node.shape);
            match node.op {
                Op::Parameter { .. } => total.parameters += elements,
                Op::Input { .. } | Op::Reshape => {}
                _ => {
                    total.flops += self.flops(node);
                    total.activation_bytes += 4 * elements;
                }
            }
        }
        total
    }

    /// Floating-point operations of one node. Transcendentals count as one.
    pub fn flops(&self, node: &Node) -> u64 {
        let out = elements(&node.shape);
        let operand = |index: usize| self.shape(node.operands[index]);
        let bias = u64::from(node.operands.len() > 2);
        match &node.op {
            Op::Input { .. } | Op::Parameter { .. } | Op::Reshape => 0,
            Op::Embedding | Op::Upsample { .. } | Op::Concat | Op::Slice { .. } => 0,
            Op::Linear | Op::Conv2d { .. } => {
                let weight = operand(1);
                out * (2 * elements(&weight[1..]) + bias)
            }
            Op::Attention { .. } => {
                let (q, k) = (operand(0), operand(1));
                4 * elements(q) * k[1] as u64
            }
            Op::GroupNorm { .. } | Op::LayerNorm { .. } => 8 * out,
            Op::Activation(_) | Op::Affine { .. } | Op::Geglu | Op::TimestepEmbedding { .. } => 3 * out,
            Op::Add | Op::Multiply => out,
        }
    }
}

fn elements(shape: &[usize]) -> u64 {
    shape.iter().map(|&extent| extent as u64).product()
}
