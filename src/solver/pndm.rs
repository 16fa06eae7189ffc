//! PNDM: pseudo numerical methods. F-PNDM, S-PNDM, PLMS and iPNDM.
//!
//! Liu et al. 2022, <https://arxiv.org/abs/2202.09778>, Eqs. (11) to (14). A linear multistep method in which
//! only the epsilon is combined, with the weights of equal steps whatever the steps are, and DDIM moves the
//! sample (`phi`, the paper's Eq. (11), is [`transfer`]):
//!
//! ```text
//! x_t = phi(x_s, epsilon', s, t)
//! epsilon' = m_0 | (3 m_0 − m_1) / 2 | (23 m_0 − 16 m_1 + 5 m_2) / 12 | (55 m_0 − 59 m_1 + 37 m_2 − 9 m_3) / 24
//! ```
//!
//! They differ in how they start, and in the last of these that they use:
//!
//! - `pndm` (F-PNDM): three steps of the pseudo Runge-Kutta method, of four evaluations each, whose first
//!   values become the history, with the middle at the timestep halfway; then the last formula. Takes `n + 9`
//!   evaluations for `n` steps, so it asks for at least 13.
//! - `s-pndm`: one step of the improved Euler method (two evaluations); then the second formula.
//! - `plms`: the same start, then the second, third and last formula, as in latent diffusion and in diffusers
//!   with `skip_prk_steps`. Like `s-pndm` it takes `n + 1` evaluations for `n` steps; with a budget of one
//!   or two evaluations it starts with a step of DDIM instead.
//! - `ipndm`: all four formulas in order, one evaluation a step (Zhang & Chen 2022, <https://arxiv.org/abs/2204.13902>,
//!   appendix H; diffusers' IPNDMScheduler has another noise schedule).
//!
//! A budget is used up.

use super::combination::{Combination, m, x};
use super::options::{self, FINAL_SIGMAS, OptionSpec};
use super::problem::{Problem, Value, transfer};
use super::{Grid, Schedule, Solver, Spacing, StepPlan, timesteps};
use crate::error::{Error, Result};

/// Steps by which F-PNDM starts, and the evaluations of each.
const WARM_UP: (usize, usize) = (3, 4);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// First order.
    Plain,
    /// One step of the improved Euler method.
    ImprovedEuler,
    /// Three pseudo Runge-Kutta steps.
    RungeKutta,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pndm {
    name: &'static str,
    aliases: &'static [&'static str],
    start: Start,
    order: usize,
}

/// F-PNDM.
pub const F_PNDM: Pndm = Pndm { name: "pndm", aliases: &["f-pndm"], start: Start::RungeKutta, order: 4 };
/// S-PNDM.
pub const S_PNDM: Pndm = Pndm { name: "s-pndm", aliases: &[], start: Start::ImprovedEuler, order: 2 };
/// PLMS.
pub const PLMS: Pndm = Pndm { name: "plms", aliases: &[], start: Start::ImprovedEuler, order: 4 };
/// iPNDM.
pub const IPNDM: Pndm = Pndm { name: "ipndm", aliases: &[], start: Start::Plain, order: 4 };

/// The weights of this and the last values.
fn weights(order: usize) -> &'static [f64] {
    const FOURTH: &[f64] = &[55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0];
    match order {
        1 => &[1.0],
        2 => &[1.5, -0.5],
        3 => &[23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0],
        _ => FOURTH,
    }
}

impl Solver for Pndm {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn is_pseudo(&self) -> bool {
        true
    }

    fn order(&self) -> usize {
        self.order
    }

    fn options(&self) -> &'static [OptionSpec] {
        const IPNDM: &[OptionSpec] = &[options::order(4, 4), FINAL_SIGMAS];
        if self.start == Start::Plain { IPNDM } else { &[FINAL_SIGMAS] }
    }

    fn stages(&self, evaluations: usize, _ends_clean: bool) -> Result<Vec<usize>> {
        let (steps, stages) = match self.start {
            Start::ImprovedEuler if evaluations > 2 => (1, 2),
            Start::Plain | Start::ImprovedEuler => (0, 0),
            Start::RungeKutta => WARM_UP,
        };
        let warm_up = steps * stages;
        if evaluations <= warm_up {
            return Err(Error::InvalidOption {
                option: "steps",
                accepted: format!(
                    "at least {} for {}: its start alone takes {warm_up}",
                    warm_up + 1,
                    self.name
                ),
                value: evaluations.to_string(),
            });
        }
        Ok([vec![stages; steps], vec![1; evaluations - warm_up]].concat())
    }

    /// As diffusers' PNDMScheduler for `leading` and `trailing`; for the others as DDIM does.
    fn grid(&self, schedule: &Schedule, spacing: Spacing, stages: &[usize]) -> Result<Grid> {
        timesteps::single_step_grid(schedule, spacing, stages.len(), Schedule::nonzero_level)
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let order = problem.settings.order_or(self.order);
        let mut steps = Vec::new();
        // Which evaluations the history is made of.
        let mut first_of_step = Vec::new();
        for (index, &stages) in problem.stages.iter().enumerate() {
            let (level, next) = (problem.grid.level(index), problem.grid.level(index + 1));
            let (timestep, next_timestep) = (problem.grid.timestep(index), problem.timestep(index + 1, next));
            let first = steps.len();
            first_of_step.push(first);
            let mut evaluate = |timestep, at, to, back, epsilon: Combination| -> Result<()> {
                let update = transfer(level, to, x(back), epsilon);
                steps.push(problem.evaluation(timestep, at, Value::Epsilon, update)?);
                Ok(())
            };
            match stages {
                1 => {
                    let weights = weights(order.min(index + 1));
                    let value = |j: usize| m(first - first_of_step[index - j]);
                    let sum = |sum, (j, &weight): (usize, &f64)| sum + weight * value(j);
                    let epsilon = weights.iter().enumerate().fold(Combination::ZERO, sum);
                    evaluate(timestep, level, next, 0, epsilon)?;
                }
                2 => {
                    evaluate(timestep, level, next, 0, m(0))?;
                    evaluate(next_timestep, next, next, 1, 0.5 * (m(0) + m(1)))?;
                }
                _ => {
                    // Of the levels themselves: the grid's timesteps may be rounded.
                    let schedule = problem.schedule;
                    let middle_timestep = 0.5 * (schedule.timestep_at(level) + schedule.timestep_at(next));
                    let middle = schedule.level_at(middle_timestep);
                    evaluate(timestep, level, middle, 0, m(0))?;
                    evaluate(middle_timestep, middle, middle, 1, m(0))?;
                    evaluate(middle_timestep, middle, next, 2, m(0))?;
                    let epsilon = (m(3) + 2.0 * m(2) + 2.0 * m(1) + m(0)) / 6.0;
                    evaluate(next_timestep, next, next, 3, epsilon)?;
                }
            }
        }
        Ok(steps)
    }
}
