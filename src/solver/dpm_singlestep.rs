//! DPM-Solver and DPM-Solver++, singlestep: second and third order, and the `fast` list of orders.
//!
//! Lu et al. 2022, <https://arxiv.org/abs/2206.00927>, Algorithms 1 and 2 and appendix D.3 (epsilon form), and
//! <https://arxiv.org/abs/2211.01095>, Algorithm 1 (data form, `++`). A step goes over two or three
//! evaluations, each at a level between `s` and `t`; with `r_1 < r_2` where they lie in `h`, `m_0` the value at
//! `s`, and `D_i = (m_i − m_0) / r_i`, in the terms of [`super::exponential`]:
//!
//! ```text
//! x_1 = a x_s + c_1 m_0                                              to the first level between
//! x_2 = a x_s + c_1 (m_0 + D_1 / 2)   or   a x_s + c_1 m_0 + c_2 D_1     to the second; midpoint or heun
//! x_t = the same as x_2                                              second order
//! x_t = a x_s + c_1 m_0 + c_2 D_2                                    third order, midpoint
//! x_t = a x_s + c_1 m_0 + c_2 (r_2 D_1 − r_1 D_2) / (r_2 − r_1) + 2 c_3 (D_2 − D_1) / (r_2 − r_1)       heun
//! ```
//!
//! `dpm-2s`, `dpm-3s`, `dpmpp-2s`, `dpmpp-3s` evaluate at the levels of the chosen spacing, two or three to a
//! step, as diffusers does; a budget is used up, and what remains after whole steps (and the last step, where
//! it ends at a clean sample) is one step of a lower order. On levels even in `lambda` these are the paper's.
//!
//! `dpm-fast` is the paper's: steps even in `lambda` with `r_1` = 1/3, `r_2` = 2/3 (1/2 in second order), of
//! orders 3, …, 3, 2, 1 (or 3, …, 3, 1, or 3, …, 3, 2) so that a budget is used up. It chooses its levels
//! itself, whatever the spacing, and always ends at the least noise of training, as in k-diffusion. `x_2` is by
//! the heun line and `x_t` by the midpoint one.

use super::combination::{Combination, m, x};
use super::exponential::Exponential;
use super::options::{FINAL_SIGMAS, OptionSpec, SOLVER_TYPE};
use super::problem::{Problem, Value, stages_within};
use super::{Grid, NoiseLevel, Schedule, Solver, SolverType, Spacing, StepPlan};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpmSinglestep {
    name: &'static str,
    aliases: &'static [&'static str],
    form: Value,
    order: usize,
    /// Whether it places its levels and orders as the paper does.
    fast: bool,
}

/// DPM-Solver-2.
pub const DPM_2S: DpmSinglestep =
    DpmSinglestep { name: "dpm-2s", aliases: &["dpm-solver-2"], form: Value::Epsilon, order: 2, fast: false };
/// DPM-Solver-3.
pub const DPM_3S: DpmSinglestep =
    DpmSinglestep { name: "dpm-3s", aliases: &["dpm-solver-3"], form: Value::Epsilon, order: 3, fast: false };
/// DPM-Solver++(2S).
pub const DPMPP_2S: DpmSinglestep = DpmSinglestep {
    name: "dpmpp-2s",
    aliases: &["dpmsolversinglestep"],
    form: Value::Denoised,
    order: 2,
    fast: false,
};
/// DPM-Solver++(3S).
pub const DPMPP_3S: DpmSinglestep =
    DpmSinglestep { name: "dpmpp-3s", aliases: &[], form: Value::Denoised, order: 3, fast: false };
/// DPM-Solver-fast.
pub const DPM_FAST: DpmSinglestep = DpmSinglestep {
    name: "dpm-fast",
    aliases: &["dpm-solver-fast"],
    form: Value::Epsilon,
    order: 3,
    fast: true,
};

/// Which lines of the module's formulas hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Midpoint,
    Heun,
    /// `x_2` by the heun line, `x_t` by the midpoint one.
    Paper,
}

/// What a step from `levels[0]` makes of its first values, one more than `stage`: the sample at
/// `levels[stage + 1]`. The newest evaluation is that of `newest`, of which the step's first was so many before.
pub(super) fn singlestep_update(
    form: Value,
    kind: Kind,
    levels: &[NoiseLevel],
    stage: usize,
    newest: usize,
) -> Combination {
    let (from, to) = (levels[0], levels[stage + 1]);
    let h = to.lambda() - from.lambda();
    let r = |i: usize| (levels[i].lambda() - from.lambda()) / h;
    let d = |i: usize| (m(newest - i) - m(newest)) / r(i);
    let exponential = Exponential::new(form, from, to);
    let [c_1, c_2, c_3] = exponential.c;
    let update = exponential.a * x(newest) + c_1 * m(newest);
    match stage {
        _ if h == 0.0 => update,
        0 => update,
        1 if kind != Kind::Midpoint => update + c_2 * d(1),
        1 => update + 0.5 * c_1 * d(1),
        _ if kind == Kind::Heun => {
            let (r_1, r_2) = (r(1), r(2));
            let d1 = (r_2 * d(1) - r_1 * d(2)) / (r_2 - r_1);
            update + c_2 * d1 + 2.0 * c_3 * (d(2) - d(1)) / (r_2 - r_1)
        }
        _ => update + c_2 * d(2),
    }
}

impl Solver for DpmSinglestep {
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
        if self.fast { &[] } else { &[SOLVER_TYPE, FINAL_SIGMAS] }
    }

    fn stages(&self, evaluations: usize, ends_clean: bool) -> Result<Vec<usize>> {
        if !self.fast {
            return Ok(stages_within(evaluations, self.order, ends_clean));
        }
        let whole = evaluations / 3;
        Ok(match evaluations % 3 {
            0 => [vec![3; whole - 1], vec![2, 1]].concat(),
            rest => [vec![3; whole], vec![rest]].concat(),
        })
    }

    fn levels(&self, stages: &[usize]) -> usize {
        stages.iter().sum()
    }

    fn chooses_levels(&self) -> bool {
        self.fast
    }

    fn grid(&self, schedule: &Schedule, spacing: Spacing, stages: &[usize]) -> Result<Grid> {
        if !self.fast {
            return super::timesteps::multistep_grid(schedule, spacing, self.levels(stages));
        }
        let noisiest = schedule.nonzero_level(schedule.len() - 1);
        let (from, to) = (noisiest.lambda(), schedule.level(0).lambda());
        let h = (to - from) / stages.len() as f64;
        let lambda =
            |step: usize, order: usize, stage: usize| from + h * (step as f64 + stage as f64 / order as f64);
        let levels = stages.iter().enumerate().flat_map(|(step, &order)| {
            (0..order).map(move |stage| NoiseLevel::from_lambda(lambda(step, order, stage)))
        });
        let levels: Vec<NoiseLevel> = levels.collect();
        let timesteps = levels.iter().map(|&level| schedule.timestep_at(level)).collect();
        Grid::new(timesteps, levels.into_iter().chain([schedule.level(0)]).collect())
    }

    fn steps(&self, problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        let heun = !self.fast && problem.settings.solver_type == SolverType::Heun;
        let grid = problem.grid;
        let mut steps = Vec::new();
        let mut first = 0;
        for &order in problem.stages {
            let levels: Vec<NoiseLevel> = (first..=first + order).map(|index| grid.level(index)).collect();
            for stage in 0..order {
                let kind = match heun {
                    true => Kind::Heun,
                    false if self.fast && order == 3 => Kind::Paper,
                    false => Kind::Midpoint,
                };
                let update = singlestep_update(self.form, kind, &levels, stage, stage);
                let index = first + stage;
                steps.push(problem.evaluation(grid.timestep(index), grid.level(index), self.form, update)?);
            }
            first += order;
        }
        Ok(steps)
    }
}
