//! Runge-Kutta methods in `rho = sigma / alpha`: Heun's, Kutta's third order, and the classical fourth order.
//!
//! With `y = x / alpha` the flow is `dy/drho = epsilon`, to which Karras et al. 2022,
//! <https://arxiv.org/abs/2206.00364>, Algorithm 1, apply Heun's method, and Zhang & Chen 2022 (DEIS),
//! <https://arxiv.org/abs/2204.13902>, section 3.3 (rhoRK), others:
//!
//! ```text
//! epsilon_i = epsilon(y + (rho_t − rho_s) Σ_j a_ij epsilon_j, rho_s + c_i (rho_t − rho_s))
//! y_t       = y + (rho_t − rho_s) Σ_i b_i epsilon_i
//! ```
//!
//! As many evaluations a step as the order. A step to a clean sample is Euler's, because its other stages
//! would be evaluated there. What a budget has left after whole steps goes into one step of a lower order,
//! before the last. Noise may be added before a step: see [`super::churn`].

use super::combination::{Combination, m, x};
use super::options::{FINAL_SIGMAS, OptionSpec, S_CHURN, S_NOISE, S_TMAX, S_TMIN};
use super::problem::{Problem, Value, stages_within};
use super::{NoiseLevel, Solver, StepPlan, churn};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RungeKutta {
    name: &'static str,
    aliases: &'static [&'static str],
    /// Stages of a whole step, and its order.
    order: usize,
}

/// Heun's method.
pub const HEUN: RungeKutta =
    RungeKutta { name: "heun", aliases: &["edm", "rhork-2", "heundiscrete"], order: 2 };
/// Kutta's method of third order.
pub const RHO_RK_3: RungeKutta = RungeKutta { name: "rhork-3", aliases: &["rhork-3kutta"], order: 3 };
/// The classical method of fourth order.
pub const RHO_RK_4: RungeKutta = RungeKutta { name: "rhork-4", aliases: &["rhork-4rk", "rk4"], order: 4 };

/// `c_i` and `a_i` of each stage.
type Stages = &'static [(f64, &'static [f64])];

/// The stages of a method, and its `b`.
fn tableau(stages: usize) -> (Stages, &'static [f64]) {
    match stages {
        1 => (&[(0.0, &[])], &[1.0]),
        2 => (&[(0.0, &[]), (1.0, &[1.0])], &[0.5, 0.5]),
        3 => (&[(0.0, &[]), (0.5, &[0.5]), (1.0, &[-1.0, 2.0])], &[1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0]),
        _ => (
            &[(0.0, &[]), (0.5, &[0.5]), (0.5, &[0.0, 0.5]), (1.0, &[0.0, 0.0, 1.0])],
            &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
        ),
    }
}

impl Solver for RungeKutta {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn order(&self) -> usize {
        self.order
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[S_CHURN, S_TMIN, S_TMAX, S_NOISE, FINAL_SIGMAS]
    }

    fn stages(&self, evaluations: usize, ends_clean: bool) -> Result<Vec<usize>> {
        Ok(stages_within(evaluations, self.order, ends_clean))
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let mut steps = Vec::new();
        for (index, &count) in problem.stages.iter().enumerate() {
            let ((level, first_timestep), next) =
                (churn::start(problem, index), problem.grid.level(index + 1));
            let (rho, h) = (level.sigma_over_alpha(), next.sigma_over_alpha() - level.sigma_over_alpha());
            let (stages, b) = tableau(count);
            for (stage, &(c, _)) in stages.iter().enumerate() {
                let at = |c: f64| match c {
                    0.0 => level,
                    1.0 => next,
                    _ => NoiseLevel::from_sigma(rho + c * h),
                };
                let (to, weights) = stages.get(stage + 1).map_or((next, b), |&(c, weights)| (at(c), weights));
                // Stage `j` was so many evaluations before this one.
                let epsilon = |j: usize| m(stage - j);
                let slope = weights
                    .iter()
                    .enumerate()
                    .fold(Combination::ZERO, |sum, (j, &weight)| sum + weight * epsilon(j));
                let mut update = (to.alpha / level.alpha) * x(stage) + to.alpha * h * slope;
                if stage + 1 == count {
                    update = churn::before_next(problem, index, update);
                }
                let timestep = match c {
                    0.0 => first_timestep,
                    _ => problem.timestep(index + usize::from(c == 1.0), at(c)),
                };
                steps.push(problem.evaluation(timestep, at(c), Value::Epsilon, update)?);
            }
        }
        Ok(steps)
    }
}
