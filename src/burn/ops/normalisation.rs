//! Group and layer normalisation in f32, with the variance taken around the mean in a second pass.

use burn_flex::FlexTensor;

use super::{shape, values};
use crate::burn::tensor::values_mut;

/// Rows whose sums are kept in f32 before they are added up in f64.
const ROWS: usize = 64;

/// `x [B, … , C]`; each of `groups` groups of channels is normalised over all pixels of a sample.
pub(super) fn group_norm(
    mut x: FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    groups: usize,
    eps: f64,
) -> FlexTensor {
    let channels = values(gamma).len();
    let sample = values(&x).len() / shape(&x)[0];
    let group = channels / groups;
    let count = (sample / groups) as f64;
    let mut mean = vec![0.0f32; channels];
    let mut scale = vec![0.0f32; channels];
    for pixels in values_mut(&mut x).chunks_exact_mut(sample) {
        let sums = channel_sums(pixels, channels, |_, value| value);
        for (mean, sums) in mean.chunks_exact_mut(group).zip(sums.chunks_exact(group)) {
            mean.fill((sums.iter().sum::<f64>() / count) as f32);
        }
        let squares = channel_sums(pixels, channels, |c, value| (value - mean[c]) * (value - mean[c]));
        for (scale, squares) in scale.chunks_exact_mut(group).zip(squares.chunks_exact(group)) {
            scale.fill((squares.iter().sum::<f64>() / count + eps).sqrt().recip() as f32);
        }
        for (scale, gamma) in scale.iter_mut().zip(values(gamma)) {
            *scale *= gamma;
        }
        for row in pixels.chunks_exact_mut(channels) {
            let parameters = mean.iter().zip(&scale).zip(values(beta));
            for (value, ((mean, scale), beta)) in row.iter_mut().zip(parameters) {
                *value = (*value - mean) * scale + beta;
            }
        }
    }
    x
}

/// For each channel, the sum over all pixels of `term(channel, value)`.
#[inline(always)]
fn channel_sums(pixels: &[f32], channels: usize, term: impl Fn(usize, f32) -> f32) -> Vec<f64> {
    let mut totals = vec![0.0f64; channels];
    let mut sums = vec![0.0f32; channels];
    for rows in pixels.chunks(ROWS * channels) {
        sums.fill(0.0);
        for row in rows.chunks_exact(channels) {
            for (c, (sum, &value)) in sums.iter_mut().zip(row).enumerate() {
                *sum += term(c, value);
            }
        }
        for (total, &sum) in totals.iter_mut().zip(&sums) {
            *total += f64::from(sum);
        }
    }
    totals
}

/// `x [… , D]`; every row is normalised.
pub(super) fn layer_norm(mut x: FlexTensor, gamma: &FlexTensor, beta: &FlexTensor, eps: f64) -> FlexTensor {
    let (gamma, beta) = (values(gamma), values(beta));
    let width = gamma.len();
    for row in values_mut(&mut x).chunks_exact_mut(width) {
        let mean = (sum(row, |value| value) / width as f64) as f32;
        let variance = sum(row, |value| (value - mean) * (value - mean)) / width as f64;
        let scale = (variance + eps).sqrt().recip() as f32;
        for ((value, gamma), beta) in row.iter_mut().zip(gamma).zip(beta) {
            *value = (*value - mean) * scale * gamma + beta;
        }
    }
    x
}

/// Sum of `term` over a row, in lanes so that it becomes SIMD.
#[inline(always)]
pub(super) fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [0.0f32; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|&value| term(value)).sum();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += term(value);
        }
    }
    lanes.iter().chain([&rest]).map(|&lane| f64::from(lane)).sum()
}
