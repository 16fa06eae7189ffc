//! DPM-Solver with adaptive steps: DPM-Solver-12 and DPM-Solver-23.
//!
//! Lu et al. 2022, <https://arxiv.org/abs/2206.00927>, appendix C, with the authors' numbers. A step of `h` in
//! `lambda` is taken by two methods that share evaluations (epsilon form; [`super::dpm_singlestep`]):
//!
//! ```text
//! order   lower                      higher
//! 2       DPM-Solver-1               DPM-Solver-2, r_1 = 1/2
//! 3       DPM-Solver-2, r_1 = 1/3    DPM-Solver-3, r_1 = 1/3, r_2 = 2/3
//!
//! delta = max(atol, rtol · max(|x_lower|, |x_lower of the step before|))            element by element
//! E     = sqrt(mean(((x_lower − x_higher) / delta)²))
//! ```
//!
//! With `E ≤ 1` the run goes on from `x_higher`, else from the start of the step, whose model value is kept, so that
//! another try costs one evaluation less. Either way the next `h` is `0.9 h E^(−1 / order)`, at most what is left.
//! The run goes from the noisiest level to the least noise of training, whatever the spacing, as in k-diffusion.
//!
//! The budget is the most evaluations. Where it has not one left after the next attempt, the run goes the rest of the
//! way by DPM-Solver-1 instead, which is not judged: it always ends. (So long a step of higher order would diverge.)

use super::dpm_singlestep::{Kind, singlestep_update};
use super::options::{Accepted, OptionSpec};
use super::problem::{Problem, Value, evaluation, stages_within};
use super::{NoiseLevel, PredictionType, SamplingPlan, Schedule, Settings, Solver, Source, StepPlan};
use crate::error::{Error, Result};

/// The first step in `lambda`.
const FIRST_H: f64 = 0.05;
/// What keeps the next step below the largest that the error would allow.
const SAFETY: f64 = 0.9;
const ATOL: f64 = 0.0078;
const RTOL: f64 = 0.05;
const ORDER: usize = 3;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DpmAdaptive;

impl Solver for DpmAdaptive {
    fn name(&self) -> &'static str {
        "dpm-adaptive"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["dpm-solver-23"]
    }

    fn order(&self) -> usize {
        ORDER
    }

    fn options(&self) -> &'static [OptionSpec] {
        const OPTIONS: &[OptionSpec] = &[
            OptionSpec { name: "order", accepted: Accepted::Whole { least: 2, most: 3, default: ORDER } },
            OptionSpec { name: "atol", accepted: Accepted::Number { least: 1e-6, most: 1.0, default: ATOL } },
            OptionSpec { name: "rtol", accepted: Accepted::Number { least: 0.0, most: 1.0, default: RTOL } },
        ];
        OPTIONS
    }

    fn stages(&self, evaluations: usize, _ends_clean: bool) -> Result<Vec<usize>> {
        Ok(stages_within(evaluations, ORDER, false))
    }

    fn chooses_levels(&self) -> bool {
        true
    }

    fn is_adaptive(&self) -> bool {
        true
    }

    fn steps(&self, _problem: &Problem<'_>) -> Result<Vec<StepPlan>> {
        Err(Error::InvalidOption {
            option: "solver",
            accepted: "one whose steps are known before the run".to_owned(),
            value: format!("{:?}", self.name()),
        })
    }
}

/// A run whose steps depend on what the network says.
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptive {
    schedule: Schedule,
    prediction_type: PredictionType,
    order: usize,
    atol: f64,
    rtol: f64,
    h: f64,
    /// The most evaluations.
    budget: usize,
    /// Evaluations that the budget has left after those of the plan.
    left: usize,
    /// Where the attempt starts and would end, with the levels between.
    levels: Vec<NoiseLevel>,
    /// The attempt's first entry of the plan's steps.
    start: usize,
    /// What the attempt is judged by, to be computed with its last update; empty if it is not judged.
    lower: Vec<(Source, f64)>,
    plan: SamplingPlan,
}

impl Adaptive {
    pub(super) fn new(schedule: Schedule, settings: &Settings, evaluations: usize) -> Result<Self> {
        let order = settings.order_or(ORDER);
        let mut adaptive = Self {
            prediction_type: settings.prediction_type,
            order,
            atol: settings.atol.unwrap_or(ATOL),
            rtol: settings.rtol.unwrap_or(RTOL),
            budget: evaluations,
            h: FIRST_H,
            left: evaluations,
            levels: Vec::new(),
            start: 0,
            lower: Vec::new(),
            plan: SamplingPlan {
                init_noise_sigma: 1.0,
                steps: Vec::new(),
                stages: Vec::new(),
                history: order,
                samples: order + 1,
                thresholding: settings.thresholding,
            },
            schedule,
        };
        adaptive.restart()?;
        Ok(adaptive)
    }

    /// Plans the first attempt, whatever came before.
    pub fn restart(&mut self) -> Result<()> {
        self.h = FIRST_H;
        self.left = self.budget;
        self.levels = vec![self.schedule.nonzero_level(self.schedule.len() - 1)];
        self.start = 0;
        self.plan.steps.clear();
        self.plan.stages.clear();
        self.attempt(false)
    }

    /// The plan up to the end of the attempt in hand. Its rings never change.
    pub fn plan(&self) -> &SamplingPlan {
        &self.plan
    }

    /// The lower method's sample, to be computed beside the plan's last update, of which it reads the same; empty
    /// where the attempt is the last and stands as it is.
    pub fn lower(&self) -> &[(Source, f64)] {
        &self.lower
    }

    /// The attempt's error `E` by each element's `[lower, higher, before]`: its two samples, and the lower one of the
    /// accepted attempt before (at first, the sample that the run started from).
    pub fn error(&self, elements: impl ExactSizeIterator<Item = [f64; 3]>) -> f64 {
        let count = elements.len() as f64;
        let square = |[lower, higher, before]: [f64; 3]| {
            let delta = self.atol.max(self.rtol * lower.abs().max(before.abs()));
            ((lower - higher) / delta).powi(2)
        };
        (elements.map(square).sum::<f64>() / count).sqrt()
    }

    /// Judges the attempt by its [`Adaptive::error`], and extends the plan by the next. `false`: it is rejected, and
    /// the plan goes on after [`Adaptive::retried`], whose update has changed and is to be computed anew.
    ///
    /// Errors with [`Error::NotFinite`] if the error is not.
    pub fn judge(&mut self, error: f64) -> Result<bool> {
        if !error.is_finite() {
            return Err(Error::NotFinite { stage: "the sample" });
        }
        let accepted = error <= 1.0;
        self.h *= SAFETY * error.max(1e-12).powf(-1.0 / self.order as f64);
        if accepted {
            self.levels.drain(..self.levels.len() - 1);
            self.start = self.plan.steps.len();
            if self.levels[0] == self.schedule.level(0) {
                self.lower.clear();
                return Ok(true);
            }
        } else {
            self.levels.truncate(1);
            self.plan.steps.truncate(self.start);
            self.plan.stages.pop();
        }
        self.attempt(!accepted)?;
        Ok(accepted)
    }

    /// The entry of the plan whose update a rejected attempt changes.
    pub fn retried(&self) -> usize {
        self.start
    }

    /// Plans an attempt from `levels[0]`. One that is tried again has its first model value.
    fn attempt(&mut self, again: bool) -> Result<()> {
        let kept = usize::from(again);
        let is_forced = self.left + kept <= self.order;
        let order = if is_forced { 1 } else { self.order };
        let (from, end) = (self.levels[0], self.schedule.level(0));
        let rest = end.lambda() - from.lambda();
        if is_forced || self.h > rest {
            self.h = rest;
        }
        let at = |part: f64| NoiseLevel::from_lambda(from.lambda() + self.h * part);
        self.levels.extend((1..order).map(|i| at(i as f64 / order as f64)));
        self.levels.push(if self.h == rest { end } else { at(1.0) });

        let levels = &self.levels;
        for stage in 0..order {
            let level = levels[stage];
            let kind = if order == 3 { Kind::Paper } else { Kind::Midpoint };
            let update = singlestep_update(Value::Epsilon, kind, levels, stage, stage);
            let timestep = self.schedule.timestep_at(level);
            let step =
                evaluation(&self.schedule, self.prediction_type, timestep, level, Value::Epsilon, update)?;
            self.plan.steps.push(step);
        }
        self.plan.stages.push(order);
        self.left -= order - kept;
        self.lower = if is_forced {
            Vec::new()
        } else {
            // The same with one value less, seen from the last.
            let levels = [&levels[..order - 1], &levels[order..]].concat();
            singlestep_update(Value::Epsilon, Kind::Midpoint, &levels, order - 2, order - 1).terms()
        };
        Ok(())
    }
}
