//! Linear combinations of what a plan may read, so that a method's file reads like its paper.

use std::ops::{Add, Div, Mul, Sub};

use super::Source;

/// `Σ coefficient · source`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Combination(Vec<(Source, f64)>);

/// The sample that entered the evaluation so many evaluations back; 0 is this one's.
pub fn x(back: usize) -> Combination {
    Combination(vec![(Source::Sample(back), 1.0)])
}

/// The model value of so many evaluations back; 0 is this one's.
pub fn m(back: usize) -> Combination {
    Combination(vec![(Source::ModelValue(back), 1.0)])
}

/// Fresh standard normal noise.
pub fn noise() -> Combination {
    Combination(vec![(Source::Noise, 1.0)])
}

impl Combination {
    /// Nothing.
    pub const ZERO: Self = Self(Vec::new());

    /// The terms that count, each source once.
    pub fn terms(mut self) -> Vec<(Source, f64)> {
        let first = self.0.first().copied();
        self.0.retain(|&(_, coefficient)| coefficient != 0.0);
        // A combination of nothing is still to be computed.
        if self.0.is_empty() {
            self.0.extend(first);
        }
        self.0
    }

    fn plus(mut self, factor: f64, other: Self) -> Self {
        for (source, coefficient) in other.0 {
            match self.0.iter_mut().find(|(known, _)| *known == source) {
                Some((_, sum)) => *sum += factor * coefficient,
                None => self.0.push((source, factor * coefficient)),
            }
        }
        self
    }
}

impl Add for Combination {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.plus(1.0, other)
    }
}

impl Sub for Combination {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.plus(-1.0, other)
    }
}

impl Mul<Combination> for f64 {
    type Output = Combination;

    fn mul(self, combination: Combination) -> Combination {
        Combination::ZERO.plus(self, combination)
    }
}

impl Div<f64> for Combination {
    type Output = Self;

    fn div(self, divisor: f64) -> Self {
        Self(self.0.into_iter().map(|(source, coefficient)| (source, coefficient / divisor)).collect())
    }
}
