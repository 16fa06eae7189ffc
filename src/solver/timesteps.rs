//! Which noise levels a run visits.
//!
//! `N` is the number of training timesteps, `n` that of inference steps. Spacings are those of Table 2 of Lin
//! et al. 2023, <https://arxiv.org/abs/2305.08891>, with the rounding of diffusers; karras is Eq. (5) of
//! Karras et al. 2022, <https://arxiv.org/abs/2206.00364>.

use super::{BetaSchedule, FinalSigmas, NoiseLevel, Schedule};
use crate::error::{Error, Result};

/// `rho` of Karras et al. 2022.
const RHO: f64 = 7.0;

/// How timesteps are spread: the option `schedule`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Multiples of `N / n` from below: never visits the noisiest level.
    Leading,
    /// Multiples of `N / n` from above: starts at the noisiest level.
    Trailing,
    /// Evenly from the noisiest level to timestep 0, which is left out.
    Linspace,
    /// Noise levels dense near the clean end.
    Karras,
}

/// Evaluations of the network, and the noise levels they step from and to.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// The network's time input for each evaluation.
    timesteps: Vec<f64>,
    /// One more than there are timesteps: the last is where the run ends.
    levels: Vec<NoiseLevel>,
}

impl Spacing {
    /// All spacings.
    pub const ALL: [Self; 4] = [Self::Trailing, Self::Leading, Self::Linspace, Self::Karras];

    /// Their names, in the same order.
    pub const NAMES: [&str; 4] =
        [Self::ALL[0].name(), Self::ALL[1].name(), Self::ALL[2].name(), Self::ALL[3].name()];

    /// The name callers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trailing => "trailing",
            Self::Leading => "leading",
            Self::Linspace => "linspace",
            Self::Karras => "karras",
        }
    }

    /// The spacing of that name.
    pub fn find(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|spacing| spacing.name() == name).ok_or_else(|| Error::InvalidOption {
            option: "schedule",
            accepted: format!("one of {}", Self::NAMES.join(", ")),
            value: format!("{name:?}"),
        })
    }
}

impl Grid {
    /// `levels` has one entry more than `timesteps`, and noise decreases along it. The last two may be equal:
    /// some schedules end with an evaluation at the level where they stop.
    ///
    /// Errors with [`Error::InvalidOption`] where other levels coincide: more steps were asked for than the
    /// schedule can tell apart.
    pub fn new(timesteps: Vec<f64>, levels: Vec<NoiseLevel>) -> Result<Self> {
        assert_eq!(timesteps.len() + 1, levels.len(), "a grid has one level more than evaluations");
        let falls = |next: usize| levels[next].sigma_over_alpha() < levels[next - 1].sigma_over_alpha();
        let stays_at_the_end = |next: usize| next == timesteps.len() && levels[next] == levels[next - 1];
        if !(1..levels.len()).all(|next| falls(next) || stays_at_the_end(next)) {
            return Err(Error::InvalidOption {
                option: "steps",
                accepted: "fewer: the schedule has not so many different noise levels".to_owned(),
                value: timesteps.len().to_string(),
            });
        }
        Ok(Self { timesteps, levels })
    }

    /// Number of evaluations.
    pub(super) fn len(&self) -> usize {
        self.timesteps.len()
    }

    /// Each evaluation's timestep, its level, and the level it steps to.
    pub fn steps(&self) -> impl Iterator<Item = (f64, NoiseLevel, NoiseLevel)> {
        let levels = self.levels.windows(2).map(|pair| (pair[0], pair[1]));
        self.timesteps.iter().zip(levels).map(|(&timestep, (level, next))| (timestep, level, next))
    }
}

/// The grid of diffusers' multistep solvers (DPMSolverMultistepScheduler and its relatives).
pub(super) fn multistep_grid(
    schedule: &Schedule,
    spacing: Spacing,
    num_inference_steps: usize,
) -> Result<Grid> {
    let n = accepted_steps(schedule, num_inference_steps)?;
    let last = match schedule.final_sigmas {
        FinalSigmas::Zero => NoiseLevel::CLEAN,
        FinalSigmas::SigmaMin => schedule.level(0),
    };
    let clipped = schedule.clipped_timesteps();
    let timesteps: Vec<usize> = match spacing {
        Spacing::Leading => {
            let ratio = clipped / (n + 1);
            (1..=n).rev().map(|index| index * ratio + schedule.steps_offset).collect()
        }
        Spacing::Linspace => {
            let ratio = (clipped - 1) as f64 / n as f64;
            (1..=n).rev().map(|index| (index as f64 * ratio).round_ties_even() as usize).collect()
        }
        Spacing::Trailing => trailing(clipped, schedule.len(), n),
        Spacing::Karras => return karras_grid(schedule, n, last),
    };
    grid_at(schedule, &timesteps, last, Schedule::nonzero_level)
}

/// The grid of diffusers' DDIMScheduler, where it is consistent; see [`super::Ddim`].
pub(super) fn single_step_grid(
    schedule: &Schedule,
    spacing: Spacing,
    num_inference_steps: usize,
) -> Result<Grid> {
    let n = accepted_steps(schedule, num_inference_steps)?;
    let timesteps: Vec<usize> = match spacing {
        Spacing::Leading => {
            let ratio = schedule.len() / n;
            (0..n).rev().map(|index| index * ratio + schedule.steps_offset).collect()
        }
        Spacing::Trailing => trailing(schedule.len(), schedule.len(), n),
        Spacing::Linspace | Spacing::Karras => return multistep_grid(schedule, spacing, n),
    };
    let last = if schedule.set_alpha_to_one { NoiseLevel::CLEAN } else { schedule.level(0) };
    grid_at(schedule, &timesteps, last, Schedule::level)
}

/// `from − i · N / n − 1`, rounded, while it is not negative.
fn trailing(from: usize, train_timesteps: usize, n: usize) -> Vec<usize> {
    let ratio = train_timesteps as f64 / n as f64;
    let position = |index: usize| (from as f64 - index as f64 * ratio).round_ties_even();
    let positions = (0..n).map(position).take_while(|&position| position >= 1.0);
    positions.map(|position| position as usize - 1).collect()
}

fn grid_at(
    schedule: &Schedule,
    timesteps: &[usize],
    last: NoiseLevel,
    level: impl Fn(&Schedule, usize) -> NoiseLevel,
) -> Result<Grid> {
    // An offset can point past the table where n is close to N.
    let inside = |timestep: &&usize| **timestep < schedule.len();
    let levels = timesteps.iter().take_while(inside).map(|&timestep| level(schedule, timestep)).chain([last]);
    let levels: Vec<NoiseLevel> = levels.collect();
    if levels.len() != timesteps.len() + 1 {
        return Err(too_many_steps(schedule.len(), timesteps.len()));
    }
    Grid::new(timesteps.iter().map(|&timestep| timestep as f64).collect(), levels)
}

fn karras_grid(schedule: &Schedule, n: usize, last: NoiseLevel) -> Result<Grid> {
    let sigma_max = schedule.nonzero_level(schedule.len() - 1).sigma_over_alpha();
    let sigma_min = schedule.level(0).sigma_over_alpha();
    let (from, to) = (sigma_max.powf(1.0 / RHO), sigma_min.powf(1.0 / RHO));
    let sigma = |index: usize| {
        let ramp = if n > 1 { index as f64 / (n - 1) as f64 } else { 0.0 };
        (from + ramp * (to - from)).powf(RHO)
    };
    let sigmas: Vec<f64> = (0..n).map(sigma).collect();
    let timestep = |&sigma: &f64| {
        let timestep = schedule.timestep_from_sigma(sigma);
        // diffusers rounds for all schedules but this one, whose noisy end is too steep for it.
        let fractional = schedule.beta_schedule == BetaSchedule::SquaredcosCapV2;
        if fractional { timestep } else { timestep.round_ties_even() }
    };
    let timesteps = sigmas.iter().map(timestep).collect();
    // The way there and back through the power must not put the last evaluation past the end.
    let level =
        |&sigma: &f64| if sigma <= sigma_min { schedule.level(0) } else { NoiseLevel::from_sigma(sigma) };
    let levels = sigmas.iter().map(level).chain([last]).collect();
    Grid::new(timesteps, levels)
}

fn accepted_steps(schedule: &Schedule, num_inference_steps: usize) -> Result<usize> {
    if (1..=schedule.len()).contains(&num_inference_steps) {
        Ok(num_inference_steps)
    } else {
        Err(too_many_steps(schedule.len(), num_inference_steps))
    }
}

fn too_many_steps(train_timesteps: usize, num_inference_steps: usize) -> Error {
    Error::InvalidOption {
        option: "steps",
        accepted: format!("a whole number from 1 to {train_timesteps}, or fewer with some schedules"),
        value: num_inference_steps.to_string(),
    }
}
