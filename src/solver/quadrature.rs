//! Gauss-Legendre quadrature.

use std::sync::LazyLock;

/// Points of the rule.
const POINTS: usize = 16;

/// Roots of the Legendre polynomial, and their weights.
static RULE: LazyLock<[(f64, f64); POINTS]> = LazyLock::new(|| std::array::from_fn(root_and_weight));

/// Newton's method from the asymptotic place of each root.
fn root_and_weight(index: usize) -> (f64, f64) {
    let mut root = (std::f64::consts::PI * (index as f64 + 0.75) / (POINTS as f64 + 0.5)).cos();
    let mut slope = 1.0;
    for _ in 0..8 {
        let (mut last, mut value) = (1.0, root);
        for degree in 2..=POINTS {
            let n = degree as f64;
            (last, value) = (value, ((2.0 * n - 1.0) * root * value - (n - 1.0) * last) / n);
        }
        slope = POINTS as f64 * (root * value - last) / (root * root - 1.0);
        root -= value / slope;
    }
    (root, 2.0 / ((1.0 - root * root) * slope * slope))
}

/// `∫ f` from `from` to `to`, exact for polynomials up to degree 31.
pub(super) fn integral(from: f64, to: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    half * RULE.iter().map(|(root, weight)| weight * f(middle + half * root)).sum::<f64>()
}

/// The polynomial that is 1 at `nodes[j]` and 0 at the others.
pub(super) fn lagrange(nodes: &[f64], j: usize, at: f64) -> f64 {
    let others = nodes.iter().enumerate().filter(|&(k, _)| k != j);
    others.map(|(_, node)| (at - node) / (nodes[j] - node)).product()
}
