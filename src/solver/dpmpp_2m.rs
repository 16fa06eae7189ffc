//! DPM-Solver++(2M): multistep, data prediction. Second order.
//!
//! Lu et al. 2022, <https://arxiv.org/abs/2211.01095>, Algorithm 2. With `s` the level of the evaluation, `t`
//! the next one, `h = lambda_t − lambda_s`, and `r` the length of the step before divided by `h` (`r_0` in the
//! paper):
//!
//! ```text
//! x_t = (sigma_t / sigma_s) x_s − alpha_t expm1(−h) D,   D = (1 + 1/(2r)) m_0 − 1/(2r) m_1        (midpoint)
//! ```
//!
//! where `m_0` and `m_1` are this and the last `denoised`. Of first order (`D = m_0`, which is DDIM) are the
//! first step, for want of history, and the last one where it goes to a level without noise (`h` is infinite
//! there) or to where it is (`h` is 0), where the config says so, or where there are so few steps that diffusers
//! takes care of stability.

use super::{Grid, SchedulerConfig, Solver, SolverType, Source, StepPlan};
use crate::error::Result;

/// Below this many steps `lower_order_final` makes the last one first order; diffusers' number.
const FEW_STEPS: usize = 15;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DpmSolverPlusPlus2M;

impl Solver for DpmSolverPlusPlus2M {
    fn name(&self) -> &'static str {
        "dpmpp-2m"
    }

    fn steps(&self, config: &SchedulerConfig, grid: &Grid) -> Result<Vec<StepPlan>> {
        let count = grid.len();
        let mut h_last = None;
        let mut steps = Vec::with_capacity(count);
        for (index, (timestep, level, next)) in grid.steps().enumerate() {
            let denoised = config.prediction_type.denoised(level)?;
            let h = next.lambda() - level.lambda();
            let lower_order = config.euler_at_final || (config.lower_order_final && count < FEW_STEPS);
            let first_order = index + 1 == count && (lower_order || next.sigma == 0.0 || h == 0.0);

            let mut update = vec![(Source::Sample, next.sigma / level.sigma)];
            let of_m0 = -next.alpha * (-h).exp_m1();
            match h_last.filter(|_| !first_order) {
                None => update.push((Source::ModelValue(0), of_m0)),
                Some(h_last) => {
                    let r: f64 = h_last / h;
                    let of_d1 = match config.solver_type {
                        SolverType::Midpoint => 0.5 * of_m0,
                        SolverType::Heun => next.alpha * ((-h).exp_m1() / h + 1.0),
                    };
                    update.push((Source::ModelValue(0), of_m0 + of_d1 / r));
                    update.push((Source::ModelValue(1), -of_d1 / r));
                }
            }
            h_last = Some(h);
            steps.push(StepPlan {
                timestep,
                model_input_scale: 1.0,
                model_value: denoised,
                denoised,
                update,
            });
        }
        Ok(steps)
    }
}
