//! SA-Solver: stochastic Adams methods, a predictor and a corrector. Orders 1 to 3.
//!
//! Xue et al. 2023, <https://arxiv.org/abs/2309.05019>, Algorithm 1 and Eqs. (14) and (17), data form. Between two
//! levels `s` and `t` the noise has the rate `tau`, and with `h = lambda_t − lambda_s`
//!
//! ```text
//! x_t = (sigma_t / sigma_s) e^(−tau² h) x_s + Σ_j w_j m_j + sigma_t sqrt(1 − e^(−2 tau² h)) · noise
//! w_j = alpha_t (1 + tau²) ∫ e^((1 + tau²) (lambda − lambda_t)) l_j(lambda) dlambda        lambda_s … lambda_t
//! ```
//!
//! `l_j` are the Lagrange polynomials through the model values at `s` and before (predictor), or at `t`, `s` and
//! before (corrector), as many as the order. Both draw the same noise, so the corrector changes the weights
//! alone: `x_t` becomes `x_t + Σ_j (w'_j − w_j) m_j`. With two values, the weight of their slope is
//! `alpha_t (1 + tau²) h² / 2`, as in the authors' code: its limit for short steps.
//!
//! `tau` is `eta` at timesteps from a fifth to four fifths of training, and 0 elsewhere (the authors' and
//! diffusers' choice). The corrector uses the model value of the next evaluation: one evaluation a step, and a
//! budget is used up. The order grows with the history, and with `lower_order_final` falls to 1 at the end. A
//! step to a clean sample is of first order, without noise: `h` is infinite there. (diffusers always ends at the
//! level of timestep 0.)

use super::combination::{Combination, m, noise, x};
use super::exponential::Exponential;
use super::options::{self, Accepted, FINAL_SIGMAS, LOWER_ORDER_FINAL, OptionSpec, S_NOISE};
use super::problem::{Problem, Value};
use super::quadrature::{integral, lagrange};
use super::{NoiseLevel, Solver, StepPlan};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SaSolver;

const DEFAULT_ORDER: usize = 2;

impl Solver for SaSolver {
    fn name(&self) -> &'static str {
        "sa-solver"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["sasolver"]
    }

    fn order(&self) -> usize {
        DEFAULT_ORDER
    }

    fn options(&self) -> &'static [OptionSpec] {
        const OPTIONS: &[OptionSpec] = &[
            options::order(3, DEFAULT_ORDER),
            options::eta(1.0),
            S_NOISE,
            OptionSpec { name: "corrector", accepted: Accepted::Switch { default: Some(true) } },
            LOWER_ORDER_FINAL,
            FINAL_SIGMAS,
        ];
        OPTIONS
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let settings = &problem.settings;
        let wanted = settings.order_or(DEFAULT_ORDER);
        let count = problem.grid.len();
        let level_at = |index: usize| problem.grid.level(index);
        let mut steps = Vec::with_capacity(count);
        let mut last: Option<Move> = None;
        for (index, (timestep, level, next)) in problem.grid.steps().enumerate() {
            let correction = last.take().filter(|_| settings.corrector).map(|before| {
                let nodes: Vec<NoiseLevel> =
                    (0..before.corrector_order).map(|back| level_at(index - back)).collect();
                x(0) + before.weighted(&nodes, 0) - before.predicted(1)
            });

            let left = if settings.lower_order_final { count - index } else { usize::MAX };
            let order = if next.sigma == 0.0 { 1 } else { wanted.min(left).min(index + 1) };
            let nodes = (0..order).map(|back| level_at(index - back)).collect();
            let corrector_order = wanted.min(left.saturating_add(1)).min(index + 2);
            let tau = tau(settings.eta_or(1.0), timestep, problem.schedule.len());
            let this = Move { level, next, tau, nodes, corrector_order };

            let (a, deviation) = this.linear_part();
            let mut update = a * x(0) + this.predicted(0);
            if deviation > 0.0 {
                update = update + settings.s_noise * deviation * noise();
            }
            let mut step = problem.evaluation(timestep, level, Value::Denoised, update)?;
            step.correction = correction.map_or(Vec::new(), Combination::terms);
            steps.push(step);
            last = Some(this);
        }
        Ok(steps)
    }
}

/// The rate of the noise at a timestep of `count`.
fn tau(eta: f64, timestep: f64, count: usize) -> f64 {
    let part = timestep / count as f64;
    if (0.2..=0.8).contains(&part) { eta } else { 0.0 }
}

/// One step of the predictor.
struct Move {
    level: NoiseLevel,
    next: NoiseLevel,
    tau: f64,
    /// Where the predictor's model values are, the newest first.
    nodes: Vec<NoiseLevel>,
    /// Of the corrector that follows.
    corrector_order: usize,
}

impl Move {
    /// The factor of the sample, and the deviation of the noise.
    fn linear_part(&self) -> (f64, f64) {
        let exponential = Exponential::stochastic(self.level, self.next, self.tau * self.tau);
        (exponential.a, exponential.noise)
    }

    /// The predictor's model values with their weights, where the newest is `back` evaluations ago.
    fn predicted(&self, back: usize) -> Combination {
        self.weighted(&self.nodes, back)
    }

    /// The model values at `nodes`, the newest of which is `back` evaluations ago, with their weights.
    fn weighted(&self, nodes: &[NoiseLevel], back: usize) -> Combination {
        let rate = 1.0 + self.tau * self.tau;
        let (from, to) = (self.level.lambda(), self.next.lambda());
        let of_constant = Exponential::stochastic(self.level, self.next, self.tau * self.tau).c[0];
        match nodes {
            [_] => of_constant * m(back),
            [first, second] => {
                let slope = (m(back) - m(back + 1)) / (first.lambda() - second.lambda());
                let h = to - from;
                let at_start = if *first == self.level { m(back) } else { m(back + 1) };
                of_constant * at_start + 0.5 * self.next.alpha * rate * h * h * slope
            }
            _ => {
                let lambdas: Vec<f64> = nodes.iter().map(|node| node.lambda()).collect();
                let kernel = |lambda: f64| self.next.alpha * rate * (rate * (lambda - to)).exp();
                let weight =
                    |j: usize| integral(from, to, |lambda| kernel(lambda) * lagrange(&lambdas, j, lambda));
                (0..lambdas.len()).fold(Combination::ZERO, |sum, j| sum + weight(j) * m(back + j))
            }
        }
    }
}
