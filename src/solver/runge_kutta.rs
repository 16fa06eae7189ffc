//! Runge-Kutta methods: Heun's, Kutta's third order and the classical fourth order in `rho = sigma / alpha`, Euler's
//! and Heun's in the `s` of flow matching.
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
//! Flow matching (Lipman et al. 2022, <https://arxiv.org/abs/2210.02747>; Liu et al. 2022,
//! <https://arxiv.org/abs/2209.03003>) has `y = x / (alpha + sigma)` over `s = sigma / (alpha + sigma)` with
//! `dy/ds = epsilon − x_0`, for which its networks are trained; any other network gives it too. It can start from
//! pure noise. `flow-euler` is DDIM.
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
    coordinate: Coordinate,
}

/// What the method takes its steps in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coordinate {
    Rho,
    Flow,
}

impl Coordinate {
    /// Where `level` is.
    fn of(self, level: NoiseLevel) -> f64 {
        match self {
            Self::Rho => level.sigma_over_alpha(),
            Self::Flow => level.flow(),
        }
    }

    fn level(self, place: f64) -> NoiseLevel {
        match self {
            Self::Rho => NoiseLevel::from_sigma(place),
            Self::Flow => NoiseLevel::from_flow(place),
        }
    }

    /// `x / y`.
    fn scale(self, level: NoiseLevel) -> f64 {
        match self {
            Self::Rho => level.alpha,
            Self::Flow => level.alpha + level.sigma,
        }
    }
}

/// Heun's method.
pub const HEUN: RungeKutta = RungeKutta {
    name: "heun",
    aliases: &["edm", "rhork-2", "heundiscrete"],
    order: 2,
    coordinate: Coordinate::Rho,
};
/// Kutta's method of third order.
pub const RHO_RK_3: RungeKutta =
    RungeKutta { name: "rhork-3", aliases: &["rhork-3kutta"], order: 3, coordinate: Coordinate::Rho };
/// The classical method of fourth order.
pub const RHO_RK_4: RungeKutta =
    RungeKutta { name: "rhork-4", aliases: &["rhork-4rk", "rk4"], order: 4, coordinate: Coordinate::Rho };
/// Euler's method along the straight lines of flow matching.
pub const FLOW_EULER: RungeKutta = RungeKutta {
    name: "flow-euler",
    aliases: &["flowmatcheulerdiscrete", "rectified-flow"],
    order: 1,
    coordinate: Coordinate::Flow,
};
/// Heun's method along them.
pub const FLOW_HEUN: RungeKutta = RungeKutta {
    name: "flow-heun",
    aliases: &["flowmatchheundiscrete"],
    order: 2,
    coordinate: Coordinate::Flow,
};

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
        match self.coordinate {
            Coordinate::Rho => &[S_CHURN, S_TMIN, S_TMAX, S_NOISE, FINAL_SIGMAS],
            Coordinate::Flow => &[FINAL_SIGMAS],
        }
    }

    fn can_start_from_pure_noise(&self) -> bool {
        self.coordinate == Coordinate::Flow
    }

    fn stages(&self, evaluations: usize, ends_clean: bool) -> Result<Vec<usize>> {
        Ok(stages_within(evaluations, self.order, ends_clean))
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let mut steps = Vec::new();
        for (index, &count) in problem.stages.iter().enumerate() {
            let ((level, first_timestep), next) =
                (churn::start(problem, index), problem.grid.level(index + 1));
            let coordinate = self.coordinate;
            let (from, h) = (coordinate.of(level), coordinate.of(next) - coordinate.of(level));
            let (stages, b) = tableau(count);
            for (stage, &(c, _)) in stages.iter().enumerate() {
                let at = |c: f64| match c {
                    0.0 => level,
                    1.0 => next,
                    _ => coordinate.level(from + c * h),
                };
                let (to, weights) = stages.get(stage + 1).map_or((next, b), |&(c, weights)| (at(c), weights));
                // Stage `j` was so many evaluations before this one.
                let derivative = |j: usize| m(stage - j);
                let slope = weights
                    .iter()
                    .enumerate()
                    .fold(Combination::ZERO, |sum, (j, &weight)| sum + weight * derivative(j));
                let scale = coordinate.scale(to);
                let mut update = (scale / coordinate.scale(level)) * x(stage) + scale * h * slope;
                if stage + 1 == count {
                    update = churn::before_next(problem, index, update);
                }
                let timestep = match c {
                    0.0 => first_timestep,
                    _ => problem.timestep(index + usize::from(c == 1.0), at(c)),
                };
                let value = match coordinate {
                    Coordinate::Rho => Value::Epsilon,
                    Coordinate::Flow => Value::Velocity,
                };
                steps.push(problem.evaluation(timestep, at(c), value, update)?);
            }
        }
        Ok(steps)
    }
}
