//! How a run's steps are known: all before it starts, or each once the one before is judged.

use super::state::RunState;
use crate::error::{Error, Result};
use crate::executor::{Executor, Term};
use crate::options::GenerateOptions;
use crate::solver::{self, Adaptive, SamplingPlan, SchedulerConfig, Source, Spacing};

/// The plan of a run, and where the run stands in it.
pub(super) struct Sampling<E: Executor> {
    plan: Plan<E>,
    /// The entry of the plan's steps that comes next; rings of tensors are indexed by it.
    pub position: usize,
    /// Evaluations done; more than `position` where attempts were rejected.
    pub evaluations: usize,
    /// The most evaluations.
    budget: usize,
}

/// A linear combination of a plan.
type Terms = [(Source, f64)];

enum Plan<E: Executor> {
    Known(SamplingPlan),
    Judged {
        adaptive: Box<Adaptive>,
        /// The lower method's sample of the attempt in hand.
        lower: E::Tensor,
        /// That of the attempt before.
        before: Vec<f32>,
        /// The errors of all attempts so far: what decided each.
        errors: Vec<f64>,
    },
}

impl<E: Executor> Sampling<E> {
    /// Plans what `options` ask for. `latents`: the shape of the samples.
    pub fn new(
        executor: &E,
        options: &GenerateOptions,
        scheduler: &SchedulerConfig,
        latents: &[usize],
    ) -> Result<Self> {
        let (solver, of_solver) = (solver::find(&options.solver)?, &options.solver_options);
        let plan = match &options.levels {
            Some(levels) => Plan::Known(solver::plan_at(solver, of_solver, scheduler, levels.as_levels())?),
            None if solver.is_adaptive() => Plan::Judged {
                adaptive: Box::new(solver::adaptive(solver, of_solver, scheduler, options.steps)?),
                lower: executor.tensor(latents)?,
                before: Vec::new(),
                errors: Vec::new(),
            },
            None => {
                let spacing = Spacing::find(&options.schedule)?;
                Plan::Known(solver::plan(solver, of_solver, scheduler, spacing, options.steps)?)
            }
        };
        let budget = match &plan {
            Plan::Known(plan) => plan.evaluations(),
            Plan::Judged { .. } => options.steps,
        };
        Ok(Self { plan, position: 0, evaluations: 0, budget })
    }

    /// The plan as far as it is known.
    pub fn plan(&self) -> &SamplingPlan {
        match &self.plan {
            Plan::Known(plan) => plan,
            Plan::Judged { adaptive, .. } => adaptive.plan(),
        }
    }

    /// Whether a later step may differ from what the plan says now.
    pub fn is_adaptive(&self) -> bool {
        matches!(self.plan, Plan::Judged { .. })
    }

    pub fn is_done(&self) -> bool {
        self.position == self.plan().steps.len()
    }

    /// Evaluations in all: the most there can be until the run is done.
    pub fn steps(&self) -> usize {
        if self.is_done() { self.evaluations } else { self.budget }
    }

    /// What the attempt is judged by, to be computed with the update in hand.
    pub fn lower(&self) -> Option<(&E::Tensor, &Terms)> {
        match &self.plan {
            Plan::Judged { adaptive, lower, .. }
                if self.position + 1 == adaptive.plan().steps.len() && !adaptive.lower().is_empty() =>
            {
                Some((lower, adaptive.lower()))
            }
            _ => None,
        }
    }

    /// Counts an evaluation. With the last of an attempt, reads its samples and judges them: the one place where a
    /// run waits for the device. `Some`: the attempt is rejected, and that entry's update is to be computed anew.
    pub async fn advance(&mut self, executor: &E, samples: &[E::Tensor]) -> Result<Option<usize>> {
        if !self.count() {
            return Ok(None);
        }
        let Plan::Judged { adaptive, lower, before, .. } = &self.plan else { return Ok(None) };
        let read = async |tensor| executor.read(tensor).await;
        let (low, high) = (read(lower).await?, read(&samples[self.position % samples.len()]).await?);
        let elements = low.iter().zip(&high).zip(before.iter());
        let error =
            adaptive.error(elements.map(|((&low, &high), &before)| [low, high, before].map(f64::from)));
        let retried = self.judge(error)?;
        if retried.is_none() {
            self.start_from(&low);
        }
        Ok(retried)
    }

    /// Goes, from the start, to where `evaluations` had been done and attempts had `errors`. Errors: no run of this plan
    /// can have come there.
    pub fn replay(&mut self, evaluations: usize, errors: &[f64]) -> Result<()> {
        (self.position, self.evaluations) = (0, 0);
        if let Plan::Judged { adaptive, errors, .. } = &mut self.plan {
            adaptive.restart()?;
            errors.clear();
        }
        let mut errors = errors.iter();
        while self.evaluations < evaluations {
            if self.is_done() {
                return Err(unreachable("evaluations", evaluations));
            }
            if self.count() {
                self.judge(*errors.next().ok_or_else(|| unreachable("evaluations", evaluations))?)?;
            }
        }
        match errors.len() {
            0 => Ok(()),
            left => Err(unreachable("errors beyond those of its evaluations", left)),
        }
    }

    /// Counts an evaluation. Whether it completes an attempt that is to be judged.
    fn count(&mut self) -> bool {
        self.position += 1;
        self.evaluations += 1;
        let Plan::Judged { adaptive, .. } = &self.plan else { return false };
        self.position == adaptive.plan().steps.len() && !adaptive.lower().is_empty()
    }

    fn judge(&mut self, error: f64) -> Result<Option<usize>> {
        let Plan::Judged { adaptive, errors, .. } = &mut self.plan else { return Ok(None) };
        errors.push(error);
        if adaptive.judge(error)? {
            return Ok(None);
        }
        self.position = adaptive.retried() + 1;
        Ok(Some(adaptive.retried()))
    }

    /// The errors of all attempts so far; none for a plan that is known.
    pub fn errors(&self) -> &[f64] {
        match &self.plan {
            Plan::Known(_) => &[],
            Plan::Judged { errors, .. } => errors,
        }
    }

    /// The sample before the attempt in hand, which it is judged by too.
    pub fn start_from(&mut self, sample: &[f32]) {
        if let Plan::Judged { before, .. } = &mut self.plan {
            *before = sample.to_vec();
        }
    }

    /// What [`Sampling::start_from`] was last given; nothing for a plan that is known.
    pub fn before(&self) -> &[f32] {
        match &self.plan {
            Plan::Known(_) => &[],
            Plan::Judged { before, .. } => before,
        }
    }
}

fn unreachable(what: &str, value: usize) -> Error {
    RunState::refused("that a run of these options had", format!("with {value} {what}"))
}

/// An element of a tensor times a factor.
pub(super) fn term<T>(coefficient: f64, tensor: &T, offset: usize) -> Term<'_, T> {
    Term { coefficient: coefficient as f32, tensor, offset }
}
