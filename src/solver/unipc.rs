//! UniPC: a predictor and a corrector of the same family. Orders 1 to 3, and one more by the corrector.
//!
//! Zhao et al. 2023, <https://arxiv.org/abs/2302.04867>, Algorithms 1 and 2, data form. With `m_0`, `m_1`, …
//! the model values at the level `s` and before, `r_k = (lambda_k − lambda_s) / h`,
//! `D_k = (m_k − m_0) / r_k`, `z = −h`, `B = z` (bh1) or `e^z − 1` (bh2), and `a`, `c_1`, `alpha_t` as in
//! [`super::exponential`]:
//!
//! ```text
//! predictor   x_t = a x_s + c_1 m_0 − alpha_t B Σ_k rho_k D_k                     k = 1 … p − 1
//! corrector   the same, with D_t = m_t − m_0 (r = 1) among the D_k                then x_t is replaced
//!
//! Σ_k rho_k r_k^(j−1) = b_j = j! z phi_(j+1)(z) / B,   j = 1, …, as many as there are D_k
//! ```
//!
//! `rho` of a single `D_k` is 1/2, as in the authors' code. The corrector uses the model value of the next
//! evaluation, which the next step needs anyway: one evaluation a step, and a budget is used up. The sample
//! where the run ends is not corrected, as nothing is evaluated there.
//!
//! The order grows with the history, and with `lower_order_final` falls to 1 at the end, however many steps
//! there are. A step to a clean sample is of first order in any case: `h` is infinite there. (diffusers divides
//! infinite by infinite without `lower_order_final`.)

use super::combination::{Combination, m, x};
use super::exponential::{Exponential, phi};
use super::options::{self, Accepted, FINAL_SIGMAS, LOWER_ORDER_FINAL, OptionSpec};
use super::problem::{Problem, Value};
use super::{NoiseLevel, Solver, SolverType, StepPlan};
use crate::error::Result;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UniPc;

const DEFAULT_ORDER: usize = 2;

impl Solver for UniPc {
    fn name(&self) -> &'static str {
        "unipc"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["uni-pc", "uni-pc-bh2", "unipcmultistep"]
    }

    fn order(&self) -> usize {
        DEFAULT_ORDER + 1
    }

    fn options(&self) -> &'static [OptionSpec] {
        const OPTIONS: &[OptionSpec] = &[
            options::order(3, DEFAULT_ORDER),
            OptionSpec { name: "solver_type", accepted: Accepted::Words(&["bh2", "bh1"]) },
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
        let bh1 = settings.solver_type == SolverType::Bh1;
        let mut steps = Vec::with_capacity(count);
        let mut last_order = 0;
        for (index, (timestep, level, next)) in problem.grid.steps().enumerate() {
            let left = count - index;
            let stays = next.sigma == 0.0 || next == level;
            let final_order = if left == 1 && stays { 1 } else { wanted };
            let final_order = if settings.lower_order_final { final_order.min(left) } else { final_order };
            let order = final_order.min(index + 1);

            let before: Vec<NoiseLevel> = (1..order).map(|k| problem.grid.level(index - k)).collect();
            let known: Vec<Combination> = (1..order).map(m).collect();
            let update = advance(level, next, &before, known, (x(0), m(0)), bh1);
            let mut step = problem.evaluation(timestep, level, Value::Denoised, update)?;
            if settings.corrector && index > 0 {
                let from = problem.grid.level(index - 1);
                let mut others: Vec<NoiseLevel> =
                    (2..=last_order).map(|k| problem.grid.level(index - k)).collect();
                others.push(level);
                let known = (2..=last_order).map(m).chain([m(0)]).collect();
                step.correction = advance(from, level, &others, known, (x(1), m(1)), bh1).terms();
            }
            steps.push(step);
            last_order = order;
        }
        Ok(steps)
    }
}

/// From `level` with its sample and model value to `next`, with the other values known at `others`.
fn advance(
    level: NoiseLevel,
    next: NoiseLevel,
    others: &[NoiseLevel],
    known: Vec<Combination>,
    (sample, m_0): (Combination, Combination),
    bh1: bool,
) -> Combination {
    let exponential = Exponential::new(Value::Denoised, level, next);
    let mut update = exponential.a * sample + exponential.c[0] * m_0.clone();
    if others.is_empty() {
        return update;
    }
    let z = exponential.z;
    let big_b = if bh1 { z } else { z.exp_m1() };
    let r: Vec<f64> = others.iter().map(|other| (other.lambda() - level.lambda()) / -z).collect();
    let rho = weights(&r, z, big_b);
    for ((value, r), rho) in known.into_iter().zip(r).zip(rho) {
        update = update - next.alpha * big_b * rho * (value - m_0.clone()) / r;
    }
    update
}

/// `rho`; see the module.
fn weights(r: &[f64], z: f64, big_b: f64) -> Vec<f64> {
    if r.len() == 1 {
        return vec![0.5];
    }
    let count = r.len();
    let mut factorial = 1.0;
    let mut rows: Vec<Vec<f64>> = Vec::with_capacity(count);
    for j in 1..=count {
        factorial *= j as f64;
        let mut row: Vec<f64> = r.iter().map(|r| r.powi(j as i32 - 1)).collect();
        row.push(factorial * z * phi(j as u32 + 1, z) / big_b);
        rows.push(row);
    }
    // A Vandermonde matrix of two or three distinct r: elimination without exchanges never meets a zero.
    for pivot in 0..count {
        let above = rows[pivot].clone();
        for row in &mut rows[pivot + 1..] {
            let factor = row[pivot] / above[pivot];
            row.iter_mut().zip(&above).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let mut rho = vec![0.0; count];
    for row in (0..count).rev() {
        let known: f64 = (row + 1..count).map(|column| rows[row][column] * rho[column]).sum();
        rho[row] = (rows[row][count] - known) / rows[row][row];
    }
    rho
}
