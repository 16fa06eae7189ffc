//! Numbers from a formula instead of a file: weights and inputs that Rust and Python compute alike, to the last bit.
//!
//! Element `i` of tensor `name` is `u = (k − 2^23) / 2^23` in `[-1, 1)`, where `k` is the top 24 bits of
//! `splitmix64(fnv1a(name) + i · γ)`; then `scale · u + shift` in f64, rounded to f32. The rules of scale and shift are
//! those of training/goldens/formula.py, where they are argued.

#![allow(dead_code, reason = "each test binary uses its part")]

use tenstep::graph::Graph;

const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;
const ATTENTION_GAIN: f64 = 1.5;
const ATTENTION_LAYERS: [&str; 5] = [".to_q.", ".to_k.", ".q_proj.", ".k_proj.", ".to_k_ip."];

fn fnv1a(name: &str) -> u64 {
    name.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3))
}

/// `count` numbers in `[-1, 1)`.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let start = fnv1a(name);
    (1..=count as u64).map(move |index| {
        let mut z = start.wrapping_add(index.wrapping_mul(GAMMA));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        ((z >> 40) as f64 - 8_388_608.0) / 8_388_608.0
    })
}

fn scale_and_shift(name: &str, shape: &[usize]) -> (f64, f64) {
    if name.ends_with(".bias") {
        return (0.25, 0.0);
    }
    if shape.len() == 1 {
        return (0.25, 1.0);
    }
    if name.contains("embedding.weight") {
        return (3f64.sqrt(), 0.0);
    }
    let inputs: usize = shape[1..].iter().product();
    let attends = ATTENTION_LAYERS.iter().any(|layer| name.contains(layer));
    let gain = if attends { ATTENTION_GAIN } else { 1.0 };
    (gain * (3.0 / inputs as f64).sqrt(), 0.0)
}

/// What the checkpoint's parameter `name` holds.
pub fn parameter(name: &str, shape: &[usize]) -> Vec<f32> {
    let (scale, shift) = scale_and_shift(name, shape);
    uniform(name, shape.iter().product()).map(|u| (scale * u + shift) as f32).collect()
}

/// A network's input of mean 0 and deviation 1.
pub fn normal_input(name: &str, count: usize) -> Vec<f32> {
    uniform(&format!("input.{name}"), count).map(|u| (3f64.sqrt() * u) as f32).collect()
}

/// Whole numbers below `below`.
pub fn id_input(name: &str, count: usize, below: usize) -> Vec<f32> {
    uniform(&format!("input.{name}"), count)
        .map(|u| ((u + 1.0) / 2.0 * below as f64).floor() as f32)
        .collect()
}

/// All parameters of a graph by name.
pub fn parameters(graph: &Graph) -> Vec<(String, Vec<f32>)> {
    let values =
        graph.parameters().map(|(name, value)| (name.to_owned(), parameter(name, graph.shape(value))));
    values.collect()
}
