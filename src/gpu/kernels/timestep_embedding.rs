//! Sinusoids of timesteps; see timestep_embedding.wgsl.

use super::{Binding, Dispatch, Kernel, Variant, per_element};

/// Extents and order of a timestep embedding.
#[derive(Debug, Clone, Copy)]
pub struct TimestepShape {
    pub batch: usize,
    pub dim: usize,
    pub flip_sin_to_cos: bool,
    pub freq_shift: f64,
}

impl TimestepShape {
    fn half(&self) -> usize {
        self.dim / 2
    }

    /// Columns at which sines and cosines begin.
    fn columns(&self) -> (usize, usize) {
        if self.flip_sin_to_cos { (self.half(), 0) } else { (0, self.half()) }
    }

    /// `f_i / 2π` as pairs of f32: the leading 12 bits, so that a whole timestep below 4096 times them is exact, and
    /// the rest.
    pub fn frequencies(&self) -> Vec<[f32; 2]> {
        let half = self.half() as f64;
        let pair = |i: usize| {
            let frequency = (-(10000f64.ln()) * i as f64 / (half - self.freq_shift)).exp();
            let turns = frequency / std::f64::consts::TAU;
            let leading = f32::from_bits((turns as f32).to_bits() & 0xffff_f000);
            [leading, (turns - f64::from(leading)) as f32]
        };
        (0..self.half()).map(pair).collect()
    }
}

/// Bindings: `timesteps, frequencies, y`.
pub fn dispatch(shape: &TimestepShape, bindings: [Binding; 3]) -> Dispatch {
    let (sine_at, cosine_at) = shape.columns();
    let params = [shape.batch, shape.half(), sine_at, cosine_at];
    Dispatch {
        variant: Variant::of(Kernel::TimestepEmbedding),
        bindings: bindings.to_vec(),
        params: params.iter().map(|&value| value as u32).collect(),
        workgroups: per_element(shape.batch * shape.half()),
    }
}

/// The twin.
pub fn plain(shape: &TimestepShape, timesteps: &[f32]) -> Vec<f32> {
    let ((sine_at, cosine_at), mut y) = (shape.columns(), vec![0.0; timesteps.len() * shape.dim]);
    for (t, out) in timesteps.iter().zip(y.chunks_mut(shape.dim)) {
        for (i, [leading, rest]) in shape.frequencies().into_iter().enumerate() {
            let (whole, part) = (t.floor(), t - t.floor());
            let exact = whole * leading;
            let turns = (exact - exact.floor()) + (whole * rest + part * (leading + rest));
            let quarters = (4.0 * turns).round();
            let x = std::f32::consts::TAU * (turns - 0.25 * quarters);
            let s = x * x;
            let sine = x * (1.0 + s * (-1.0 / 6.0 + s * (1.0 / 120.0 + s * (-1.0 / 5040.0 + s / 362_880.0))));
            let cosine = 1.0 + s * (-0.5 + s * (1.0 / 24.0 + s * (-1.0 / 720.0 + s / 40320.0)));
            (out[sine_at + i], out[cosine_at + i]) = match quarters as i32 & 3 {
                0 => (sine, cosine),
                1 => (cosine, -sine),
                2 => (-sine, -cosine),
                _ => (-cosine, sine),
            };
        }
    }
    y
}
