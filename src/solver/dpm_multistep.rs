//! DPM-Solver and DPM-Solver++, multistep: first to third order, deterministic or stochastic.
//!
//! Lu et al. 2022, <https://arxiv.org/abs/2206.00927> (epsilon form) and
//! <https://arxiv.org/abs/2211.01095>, Algorithm 2 (data form, `++`), with the third order of their code and
//! of diffusers. In the terms of [`super::exponential`], with `m_0`, `m_1`, `m_2` this and the last model
//! values and `r_0`, `r_1` the lengths of the last steps divided by this one's:
//!
//! ```text
//! D1_0 = (m_0 − m_1) / r_0,  D1_1 = (m_1 − m_2) / r_1
//! D1 = D1_0                                               second order
//! D1 = D1_0 + r_0 / (r_0 + r_1) (D1_0 − D1_1),  D2 = (D1_0 − D1_1) / (r_0 + r_1)          third order
//!
//! x_t = a x_s + c_1 (m_0 + D1 / 2)                         second order, midpoint
//! x_t = a x_s + c_1 m_0 + c_2 D1                           second order, heun
//! x_t = a x_s + c_1 m_0 + c_2 D1 + c_3 D2                  third order
//! ```
//!
//! The stochastic variants (`sde`) are the same with the coefficients of the stochastic equation, and noise.
//!
//! `D2` is half of the second derivative of the polynomial, whose weight is `c_3`; the authors' code, and all
//! that follow it, leave out the factor 2, and so does this: the third order has a smaller error than the
//! second, but its measured rate of convergence is 2.
//!
//! One evaluation a step, so a budget is used up. The order grows with the history from 1. The last step is of first order (DDIM) where it goes to
//! a clean sample (`h` is infinite there), which diffusers refuses for the epsilon form.
//!
//! diffusers' `sde-dpmsolver++` of order 3 has `− 1/2` where the integral of `D2` has `+ 1/2`; this follows
//! the integral, as k-diffusion does.

use super::combination::{m, noise, x};
use super::exponential::Exponential;
use super::options::{
    self, EULER_AT_FINAL, FINAL_SIGMAS, LOWER_ORDER_FINAL, NOISE_SAMPLER, OptionSpec, S_NOISE, SOLVER_TYPE,
};
use super::problem::{Problem, Value};
use super::{Solver, SolverType, StepPlan};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpmMultistep {
    pub(super) name: &'static str,
    pub(super) aliases: &'static [&'static str],
    pub(super) form: Value,
    pub(super) order: usize,
    pub(super) stochastic: bool,
}

/// DPM-Solver++(2M).
pub const DPMPP_2M: DpmMultistep = DpmMultistep {
    name: "dpmpp-2m",
    aliases: &["dpm-solver++", "dpmsolver++", "dpmsolvermultistep"],
    form: Value::Denoised,
    order: 2,
    stochastic: false,
};
/// DPM-Solver++(3M).
pub const DPMPP_3M: DpmMultistep =
    DpmMultistep { name: "dpmpp-3m", aliases: &[], form: Value::Denoised, order: 3, stochastic: false };
/// DPM-Solver, multistep, second order.
pub const DPM_2M: DpmMultistep = DpmMultistep {
    name: "dpm-2m",
    aliases: &["dpm-solver", "dpmsolver"],
    form: Value::Epsilon,
    order: 2,
    stochastic: false,
};
/// DPM-Solver, multistep, third order.
pub const DPM_3M: DpmMultistep =
    DpmMultistep { name: "dpm-3m", aliases: &[], form: Value::Epsilon, order: 3, stochastic: false };
/// SDE-DPM-Solver++(2M).
pub const DPMPP_2M_SDE: DpmMultistep = DpmMultistep {
    name: "dpmpp-2m-sde",
    aliases: &["sde-dpmsolver++"],
    form: Value::Denoised,
    order: 2,
    stochastic: true,
};
/// SDE-DPM-Solver++, third order.
pub const DPMPP_3M_SDE: DpmMultistep =
    DpmMultistep { name: "dpmpp-3m-sde", aliases: &[], form: Value::Denoised, order: 3, stochastic: true };

impl Solver for DpmMultistep {
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
        const DETERMINISTIC: &[OptionSpec] = &[SOLVER_TYPE, LOWER_ORDER_FINAL, EULER_AT_FINAL, FINAL_SIGMAS];
        const STOCHASTIC: &[OptionSpec] = &[
            options::eta(1.0),
            S_NOISE,
            NOISE_SAMPLER,
            SOLVER_TYPE,
            LOWER_ORDER_FINAL,
            EULER_AT_FINAL,
            FINAL_SIGMAS,
        ];
        if self.stochastic { STOCHASTIC } else { DETERMINISTIC }
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let settings = &problem.settings;
        let eta = if self.stochastic { settings.eta_or(1.0) } else { 0.0 };
        let lambda = |index: usize| problem.grid.level(index).lambda();
        let step = |(index, (timestep, level, next))| {
            let exponential = if self.form == Value::Denoised {
                Exponential::stochastic(level, next, eta)
            } else {
                Exponential::new(self.form, level, next)
            };
            let [c_1, c_2, c_3] = exponential.c;
            let h = next.lambda() - level.lambda();
            // The paper's r of the steps that ended here and one before.
            let r = |back: usize| (lambda(index - back) - lambda(index - back - 1)) / h;
            let mut update = exponential.a * x(0) + c_1 * m(0);
            match problem.multistep_order(self.order, index, next) {
                1 => {}
                2 => {
                    let of_d1 = if settings.solver_type == SolverType::Heun { c_2 } else { 0.5 * c_1 };
                    update = update + of_d1 * (m(0) - m(1)) / r(0);
                }
                _ => {
                    let (r_0, r_1) = (r(0), r(1));
                    let d1_0 = (m(0) - m(1)) / r_0;
                    let d1_1 = (m(1) - m(2)) / r_1;
                    let d1 = d1_0.clone() + r_0 / (r_0 + r_1) * (d1_0.clone() - d1_1.clone());
                    let d2 = (d1_0 - d1_1) / (r_0 + r_1);
                    update = update + c_2 * d1 + c_3 * d2;
                }
            }
            if exponential.noise > 0.0 {
                update = update + settings.s_noise * exponential.noise * noise();
            }
            let mut step = problem.evaluation(timestep, level, self.form, update)?;
            step.noise_span = problem.noise_span(level, next).filter(|_| exponential.noise > 0.0);
            Ok(step)
        };
        problem.grid.steps().enumerate().map(step).collect()
    }
}
