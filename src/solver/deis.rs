//! DEIS: diffusion exponential integrator sampler, Adams-Bashforth variants; and LMS, which is one of them.
//!
//! Zhang & Chen 2022, <https://arxiv.org/abs/2204.13902>, Eq. (14) and section 3.3. With `y = x / alpha`,
//! `rho = sigma / alpha` and `m_j` the estimates of epsilon at the levels `s`, and before:
//!
//! ```text
//! y_t = y_s + Σ_j m_j ∫ l_j(u(rho)) drho,   l_j(u) = Π_(k≠j) (u − u_k) / (u_j − u_k),   rho_s … rho_t
//! ```
//!
//! where `u` is the timestep (tAB), `rho` (rhoAB; with order 4 this is the LMS of Karras et al. 2022 and
//! k-diffusion) or `ln rho` (the `logrho` of diffusers). The integrals are Gauss-Legendre quadratures, exact to
//! rounding; for the timestep, which is linear in `ln rho` between two training timesteps, one for each of
//! those pieces.
//!
//! One evaluation a step, so a budget is used up; the order grows with the history from 1. In `ln rho` the last
//! steps are of lower order as in diffusers, and a step to a clean sample is of first order, because it would
//! extrapolate to minus infinity (diffusers does not offer one). The others keep their order, as in the
//! authors' code and in k-diffusion.

use super::combination::{Combination, m, x};
use super::options::{self, EULER_AT_FINAL, FINAL_SIGMAS, LOWER_ORDER_FINAL, OptionSpec};
use super::problem::{Problem, Value};
use super::quadrature::{integral, lagrange};
use super::{NoiseLevel, Schedule, Solver, StepPlan};
use crate::error::Result;

/// What the polynomial is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    LogRho,
    Rho,
    Timestep,
}

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deis {
    name: &'static str,
    aliases: &'static [&'static str],
    variable: Variable,
    order: usize,
}

/// The variant of diffusers.
pub const DEIS: Deis =
    Deis { name: "deis", aliases: &["deismultistep", "deis-logrho"], variable: Variable::LogRho, order: 3 };
/// rhoAB-DEIS.
pub const DEIS_RHO_AB: Deis = Deis { name: "deis-rhoab", aliases: &[], variable: Variable::Rho, order: 3 };
/// tAB-DEIS.
pub const DEIS_T_AB: Deis = Deis { name: "deis-tab", aliases: &[], variable: Variable::Timestep, order: 3 };
/// Linear multistep.
pub const LMS: Deis =
    Deis { name: "lms", aliases: &["k-lms", "lmsdiscrete"], variable: Variable::Rho, order: 4 };

impl Solver for Deis {
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
        const LOG_RHO: &[OptionSpec] =
            &[options::order(3, 3), LOWER_ORDER_FINAL, EULER_AT_FINAL, FINAL_SIGMAS];
        const AB: &[OptionSpec] = &[options::order(4, 3), FINAL_SIGMAS];
        const OF_LMS: &[OptionSpec] = &[options::order(4, 4), FINAL_SIGMAS];
        match (self.variable, self.order) {
            (Variable::LogRho, _) => LOG_RHO,
            (_, 4) => OF_LMS,
            _ => AB,
        }
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let wanted = problem.settings.order_or(self.order);
        let schedule = problem.schedule;
        let u = |level: NoiseLevel| match self.variable {
            Variable::LogRho => -level.lambda(),
            Variable::Rho => level.sigma_over_alpha(),
            Variable::Timestep => schedule.timestep_at(level),
        };
        let step = |(index, (timestep, level, next)): (usize, (f64, NoiseLevel, NoiseLevel))| {
            let order = match self.variable {
                Variable::LogRho => problem.multistep_order(wanted, index, next),
                Variable::Rho | Variable::Timestep => wanted.min(index + 1),
            };
            let nodes: Vec<f64> = (0..order).map(|back| u(problem.grid.level(index - back))).collect();
            let weight = |j: usize| {
                let (from, to) = (level.sigma_over_alpha(), next.sigma_over_alpha());
                let basis = |u: f64| lagrange(&nodes, j, u);
                match self.variable {
                    _ if order == 1 => to - from,
                    Variable::Rho => integral(from, to, basis),
                    Variable::LogRho => integral(u(level), u(next), |u| basis(u) * u.exp()),
                    Variable::Timestep => over_timesteps(schedule, level, next, basis),
                }
            };
            let slope = (0..order).fold(Combination::ZERO, |sum, j| sum + weight(j) * m(j));
            let update = (next.alpha / level.alpha) * x(0) + next.alpha * slope;
            problem.evaluation(timestep, level, Value::Epsilon, update)
        };
        problem.grid.steps().enumerate().map(step).collect()
    }
}

/// `∫ basis(t(rho)) drho`. Below the level of timestep 0, `t` is taken to stay 0.
fn over_timesteps(
    schedule: &Schedule,
    level: NoiseLevel,
    next: NoiseLevel,
    basis: impl Fn(f64) -> f64,
) -> f64 {
    let (from, to) = (level.sigma_over_alpha(), next.sigma_over_alpha());
    let t = |rho: f64| schedule.timestep_from_sigma(rho);
    let least = schedule.level(0).sigma_over_alpha();
    let beyond = if to < least { basis(0.0) * (to - from.min(least)) } else { 0.0 };
    let (mut at, end) = (t(from), if to < least { 0.0 } else { t(to) });
    let mut sum = beyond;
    while at > end {
        let piece = (at.ceil() - 1.0).max(end);
        let (upper, lower) = (schedule.level_at(at), schedule.level_at(piece));
        let (from, to) = (-upper.lambda(), -lower.lambda());
        sum += integral(from, to, |log_rho| basis(t(log_rho.exp())) * log_rho.exp());
        at = piece;
    }
    sum
}
