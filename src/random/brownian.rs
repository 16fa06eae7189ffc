//! A Brownian path that can be asked for in any steps: runs of a stochastic method with the same seed follow the
//! same noise, however many steps they take, and so come close to each other as their steps become short.
//!
//! A virtual Brownian tree (Li et al. 2020, <https://arxiv.org/abs/2001.01328>, section 4; k-diffusion's
//! `BrownianTreeNoiseSampler`): `W(0) = 0`, `W(1)` is normal, and the middle of an interval `a..b` is
//!
//! ```text
//! W(m) = (W(a) + W(b)) / 2 + sqrt((b − a) / 4) · normal of the interval's node
//! ```
//!
//! Nodes are numbered as in a heap, the whole interval is node 1, and node 0 is `W(1)`. After [`DEPTH`] halvings
//! the value at `t` is drawn between the ends at once, with deviation `sqrt((t − a) (b − t) / (b − a))`: exact,
//! unless two times that are asked for lie within one interval of `2^-DEPTH`.

use super::{Noise, Of, normals};

/// Steps of a thousandth of the time are many intervals apart.
const DEPTH: u32 = 14;

/// The path of one picture's latents.
#[derive(Debug)]
pub struct BrownianPath {
    seed: u64,
    sample: u32,
    /// Height, width, channels.
    shape: [usize; 3],
    /// The last two values that were asked for: a step starts where one before it ended.
    recent: Vec<(f64, Vec<f64>)>,
}

impl BrownianPath {
    /// `shape` is height, width, channels of the latents.
    pub fn new(seed: u64, sample: u32, shape: [usize; 3]) -> Self {
        Self { seed, sample, shape, recent: Vec::new() }
    }

    /// `(W(to) − W(from)) / sqrt(to − from)` of each element, channels last: standard normals. Times are within
    /// `0..=1`, and `from` is before `to`.
    pub fn increment(&mut self, [from, to]: [f64; 2]) -> Vec<f32> {
        let (start, end) = (self.at(from), self.at(to));
        let scale = 1.0 / (to - from).sqrt();
        let increment = end.iter().zip(&start).map(|(end, start)| ((end - start) * scale) as f32).collect();
        self.recent = vec![(from, start), (to, end)];
        increment
    }

    fn at(&self, time: f64) -> Vec<f64> {
        if let Some((_, values)) = self.recent.iter().find(|(known, _)| *known == time) {
            return values.clone();
        }
        let elements = self.shape.iter().product();
        let (mut a, mut b) = (0.0f64, 1.0);
        let (mut at_a, mut at_b) = (vec![0.0; elements], self.node(0));
        let mut node = 1;
        for _ in 0..DEPTH {
            let middle = 0.5 * (a + b);
            let values = bridge(&at_a, &at_b, 0.5, (0.25 * (b - a)).sqrt(), &self.node(node));
            node *= 2;
            if time < middle {
                (b, at_b) = (middle, values);
            } else {
                (a, at_a) = (middle, values);
                node += 1;
            }
        }
        let deviation = ((time - a) * (b - time) / (b - a)).max(0.0).sqrt();
        bridge(&at_a, &at_b, (time - a) / (b - a), deviation, &self.node(node))
    }

    fn node(&self, node: u32) -> Vec<f64> {
        let noise = Noise { seed: self.seed, sample: self.sample, of: Of::Node(node) };
        normals(noise, self.shape).into_iter().map(f64::from).collect()
    }
}

/// Between two values, with noise.
fn bridge(a: &[f64], b: &[f64], place: f64, deviation: f64, normals: &[f64]) -> Vec<f64> {
    let ends = a.iter().zip(b);
    ends.zip(normals).map(|((a, b), normal)| a + place * (b - a) + deviation * normal).collect()
}
