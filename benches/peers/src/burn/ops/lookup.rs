//! Embeddings: of ids by a table, of timesteps by sinusoids.

use burn_tensor::module;
use burn_tensor::{Device, Tensor, TensorData};

use super::{Operation, only};

/// Rows of `table [V, D]` for ids `[1, 1, B, L]`.
pub fn embedding(table: Tensor<2>, shape: [usize; 4]) -> Operation {
    Box::new(move |operands| {
        let ids = only(operands);
        let [_, _, batch, length] = ids.dims();
        module::embedding(table.clone(), ids.reshape([batch, length]).int()).reshape(shape)
    })
}

/// `[1, 1, 1, B]` to `[1, 1, B, dim]`.
pub fn timestep_embedding(device: &Device, dim: usize, flip_sin_to_cos: bool, freq_shift: f64) -> Operation {
    let half = dim / 2;
    let frequency = |i: usize| (-(10_000f64.ln()) * i as f64 / (half as f64 - freq_shift)).exp() as f32;
    let frequencies: Vec<f32> = (0..half).map(frequency).collect();
    let frequencies = Tensor::<4>::from_data(TensorData::new(frequencies, [1, 1, 1, half]), device);
    Box::new(move |operands| {
        let angles = only(operands).swap_dims(2, 3) * frequencies.clone();
        let [sines, cosines] = [angles.clone().sin(), angles.cos()];
        Tensor::cat(if flip_sin_to_cos { vec![cosines, sines] } else { vec![sines, cosines] }, 3)
    })
}
