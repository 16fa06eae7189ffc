//! Which noise levels a run visits.
//!
//! `N` is the number of training timesteps, `n` that of inference steps. Spacings are those of Table 2 of Lin
//! et al. 2023, <https://arxiv.org/abs/2305.08891>, with the rounding of diffusers; karras is Eq. (5) of
//! Karras et al. 2022, <https://arxiv.org/abs/2206.00364>; simple, normal, sgm_uniform and ddim_uniform are
//! ComfyUI's, the last without the evaluation over the budget that it may have there.

use super::{BetaSchedule, FinalSigmas, NoiseLevel, Schedule};
use crate::error::{Error, Result};

/// `rho` of Karras et al. 2022.
const RHO: f64 = 7.0;

/// How timesteps are spread: the option `schedule`.
///
/// Timesteps are whole (rounded, half to even) unless a spacing says that they are fractional.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spacing {
    /// Multiples of `N / n` from below, of `N / (n + 1)` without 0 for multistep methods: never visits the noisiest
    /// level.
    Leading,
    /// Multiples of `N / n` from above: starts at the noisiest level.
    Trailing,
    /// Evenly from the noisiest level to timestep 0, which is left out.
    Linspace,
    /// Noise levels dense near the clean end. The network is told whole timesteps, except on cosine schedules.
    Karras,
    /// Noise levels evenly spaced in their logarithm, which is `lambda`. Fractional.
    Exponential,
    /// Noise levels as quantiles of the distribution Beta(0.6, 0.6), dense at both ends. Fractional.
    Beta,
    /// Multiples of `N / n` from above, cut to whole timesteps.
    Simple,
    /// Evenly from the noisiest level to timestep 0, which is included. Fractional.
    Normal,
    /// Evenly from the noisiest level to timestep 0, which is left out. Fractional.
    SgmUniform,
    /// Timestep 1 and multiples of `N / n`, cut to a whole number, from there.
    DdimUniform,
}

/// Levels that a caller lists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Levels<'a> {
    /// The network's time inputs, falling; fractional ones are taken as they are. The run ends where
    /// `final_sigmas` says.
    Timesteps(&'a [f64]),
    /// `sigma / alpha` of the evaluations, and of where the run ends, falling; the last may be 0. For networks of
    /// flow matching `s` from 1 to 0. The network's time inputs are the timesteps of these levels, fractional.
    Sigmas(&'a [f64]),
}

impl Levels<'_> {
    pub(super) fn grid(&self, schedule: &Schedule) -> Result<Grid> {
        let falls = |values: &[f64]| values.is_sorted_by(|before, after| before > after);
        let (timesteps, levels): (Vec<f64>, Vec<NoiseLevel>) = match *self {
            Self::Timesteps(list) => {
                let most = schedule.last_time_input();
                let timesteps: Vec<f64> = list.iter().map(|&input| schedule.timestep_of(input)).collect();
                // Where a network is told 0 of a clean sample, there is nothing to ask it.
                let is_noisy = |&timestep: &f64| schedule.level_at(timestep).sigma > 0.0;
                let inside = list.iter().all(|input| (0.0..=most).contains(input));
                if list.is_empty() || !falls(list) || !inside || !timesteps.iter().all(is_noisy) {
                    return Err(self.refused(&format!("at least one number, falling within {most} to 0")));
                }
                let levels = timesteps.iter().map(|&timestep| schedule.level_at(timestep));
                let levels = levels.chain([end(schedule)]).collect();
                (timesteps, levels)
            }
            Self::Sigmas(list) => {
                let most = schedule.most_sigma();
                let inside = list.iter().all(|sigma| (0.0..=most * (1.0 + 1e-9)).contains(sigma));
                if list.len() < 2 || !falls(list) || !inside {
                    return Err(self.refused(&format!("at least two numbers, falling within {most} to 0")));
                }
                let levels: Vec<NoiseLevel> =
                    list.iter().map(|&sigma| schedule.level_from_sigma(sigma)).collect();
                (levels[..list.len() - 1].iter().map(|&level| schedule.timestep_at(level)).collect(), levels)
            }
        };
        Grid::new(timesteps, levels)
    }

    pub(super) fn refused(&self, accepted: &str) -> Error {
        let (option, list) = match *self {
            Self::Timesteps(list) => ("timesteps", list),
            Self::Sigmas(list) => ("sigmas", list),
        };
        let value = match list.len() {
            0..=10 => format!("{list:?}"),
            count => format!("a list of {count} numbers"),
        };
        Error::InvalidOption { option, accepted: accepted.to_owned(), value }
    }
}

/// Where a run of a multistep solver ends.
fn end(schedule: &Schedule) -> NoiseLevel {
    match schedule.final_sigmas {
        FinalSigmas::Zero => NoiseLevel::CLEAN,
        FinalSigmas::SigmaMin => schedule.level(0),
    }
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
    pub const ALL: [Self; 10] = [
        Self::Trailing,
        Self::Leading,
        Self::Linspace,
        Self::Karras,
        Self::Exponential,
        Self::Beta,
        Self::Simple,
        Self::Normal,
        Self::SgmUniform,
        Self::DdimUniform,
    ];

    /// Their names, in the same order.
    pub const NAMES: [&str; 10] = {
        let mut names = [""; 10];
        let mut index = 0;
        while index < names.len() {
            names[index] = Self::ALL[index].name();
            index += 1;
        }
        names
    };

    /// The name callers use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trailing => "trailing",
            Self::Leading => "leading",
            Self::Linspace => "linspace",
            Self::Karras => "karras",
            Self::Exponential => "exponential",
            Self::Beta => "beta",
            Self::Simple => "simple",
            Self::Normal => "normal",
            Self::SgmUniform => "sgm_uniform",
            Self::DdimUniform => "ddim_uniform",
        }
    }

    /// Other names. `lu` and `logsnr` are even in `lambda`, which is `exponential`; so is `polyexponential` with its
    /// usual power of 1.
    const ALIASES: [(&str, Self); 3] =
        [("lu", Self::Exponential), ("logsnr", Self::Exponential), ("polyexponential", Self::Exponential)];

    /// The spacing of that name.
    pub fn find(name: &str) -> Result<Self> {
        let found = Self::named().find(|(known, _)| *known == name);
        found.map(|(_, spacing)| spacing).ok_or_else(|| Error::InvalidOption {
            option: "schedule",
            accepted: format!("one of {}", Self::NAMES.join(", ")),
            value: format!("{name:?}"),
        })
    }

    /// All names with what they mean.
    pub(super) fn named() -> impl Iterator<Item = (&'static str, Self)> {
        Self::ALL.into_iter().map(|spacing| (spacing.name(), spacing)).chain(Self::ALIASES)
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

    /// The same grid, from pure noise on where it starts at the last timestep of a schedule that ends in that.
    pub(super) fn starting_from_pure_noise(&self, schedule: &Schedule) -> Self {
        let last = schedule.len() - 1;
        let mut grid = self.clone();
        // A power's rounding is no noise.
        if grid.levels[0].alpha <= schedule.nonzero_level(last).alpha * (1.0 + 1e-9) {
            grid.levels[0] = schedule.level(last);
        }
        grid
    }

    /// Number of evaluations.
    pub(super) fn len(&self) -> usize {
        self.timesteps.len()
    }

    /// The level of an evaluation; with the number of evaluations, where the run ends.
    pub(super) fn level(&self, index: usize) -> NoiseLevel {
        self.levels[index]
    }

    /// The network's time input at an evaluation.
    pub(super) fn timestep(&self, index: usize) -> f64 {
        self.timesteps[index]
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
    let n = num_inference_steps;
    let last = end(schedule);
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
        Spacing::Simple => {
            let ratio = clipped as f64 / n as f64;
            (0..n).map(|index| clipped - 1 - (index as f64 * ratio) as usize).collect()
        }
        Spacing::DdimUniform => (0..n).rev().map(|index| 1 + index * (clipped / n)).collect(),
        Spacing::Karras => return karras_grid(schedule, n, last),
        Spacing::Exponential => return sigma_grid(schedule, n, last, exponential),
        Spacing::Beta => return sigma_grid(schedule, n, last, beta),
        Spacing::Normal => return fractional_grid(schedule, n, n - 1, last),
        Spacing::SgmUniform => return fractional_grid(schedule, n, n, last),
    };
    // Steps as long as those of the whole schedule come to the end of a clipped one sooner.
    if timesteps.len() < n {
        return Err(too_many_steps(schedule.len(), n));
    }
    grid_at(schedule, &timesteps, last, Schedule::nonzero_level)
}

/// The grid of diffusers' DDIMScheduler, where it is consistent; see [`super::ddim`]. `level` says what to do
/// with a level of pure noise.
pub(super) fn single_step_grid(
    schedule: &Schedule,
    spacing: Spacing,
    num_inference_steps: usize,
    level: impl Fn(&Schedule, usize) -> NoiseLevel,
) -> Result<Grid> {
    let n = num_inference_steps;
    let timesteps: Vec<usize> = match spacing {
        Spacing::Leading => {
            let ratio = schedule.len() / n;
            (0..n).rev().map(|index| index * ratio + schedule.steps_offset).collect()
        }
        Spacing::Trailing => trailing(schedule.len(), schedule.len(), n),
        _ => return multistep_grid(schedule, spacing, n),
    };
    let last = if schedule.set_alpha_to_one { NoiseLevel::CLEAN } else { schedule.level(0) };
    grid_at(schedule, &timesteps, last, level)
}

/// `n` of the timesteps `N / distilled`, `2 N / distilled`, … each less 1, evenly from the last: diffusers'
/// LCMScheduler and TCDScheduler. Where there are fewer than `n`, the grid of [`Spacing::Trailing`].
pub(super) fn distilled_grid(schedule: &Schedule, distilled: usize, n: usize) -> Result<Grid> {
    let apart = schedule.len() / distilled;
    if n > distilled || apart == 0 {
        return multistep_grid(schedule, Spacing::Trailing, n);
    }
    let timesteps: Vec<usize> = (0..n).map(|index| (distilled - index * distilled / n) * apart - 1).collect();
    grid_at(schedule, &timesteps, end(schedule), Schedule::nonzero_level)
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

/// Where on the way from the first to the last of `n`.
fn ramp(index: usize, n: usize) -> f64 {
    if n > 1 { index as f64 / (n - 1) as f64 } else { 0.0 }
}

fn karras(sigma_max: f64, sigma_min: f64, ramp: f64) -> f64 {
    let (from, to) = (sigma_max.powf(1.0 / RHO), sigma_min.powf(1.0 / RHO));
    (from + ramp * (to - from)).powf(RHO)
}

fn exponential(sigma_max: f64, sigma_min: f64, ramp: f64) -> f64 {
    (sigma_max.ln() + ramp * (sigma_min.ln() - sigma_max.ln())).exp()
}

/// Lee et al. 2024, <https://arxiv.org/abs/2407.12173>, over noise levels as in diffusers.
fn beta(sigma_max: f64, sigma_min: f64, ramp: f64) -> f64 {
    sigma_min + (sigma_max - sigma_min) * beta_quantile(1.0 - ramp)
}

/// The quantile of the symmetric distribution Beta(0.6, 0.6), by bisection.
fn beta_quantile(probability: f64) -> f64 {
    const A: f64 = 0.6;
    // ∫ t^(a−1) (1 − t)^(a−1) from 0 to x, as a power series: x is at most 1/2.
    let integral = |x: f64| {
        let mut factor = 1.0;
        let terms = (0..64).map(|k| {
            let k = f64::from(k);
            let term = factor / (A + k);
            factor *= (k + 1.0 - A) / (k + 1.0) * x;
            term
        });
        x.powf(A) * terms.sum::<f64>()
    };
    if probability > 0.5 {
        return 1.0 - beta_quantile(1.0 - probability);
    }
    let wanted = 2.0 * probability * integral(0.5);
    let (mut below, mut above) = (0.0, 0.5);
    for _ in 0..100 {
        let middle = 0.5 * (below + above);
        if integral(middle) < wanted { below = middle } else { above = middle }
    }
    0.5 * (below + above)
}

fn karras_grid(schedule: &Schedule, n: usize, last: NoiseLevel) -> Result<Grid> {
    let mut grid = sigma_grid(schedule, n, last, karras)?;
    // diffusers rounds for all schedules but this one, whose noisy end is too steep for it.
    if schedule.beta_schedule != BetaSchedule::SquaredcosCapV2 {
        grid.timesteps.iter_mut().for_each(|timestep| *timestep = timestep.round_ties_even());
    }
    Ok(grid)
}

/// `sigma(sigma_max, sigma_min, ramp)` for evaluations from the noisiest level to that of timestep 0.
fn sigma_grid(
    schedule: &Schedule,
    n: usize,
    last: NoiseLevel,
    sigma: impl Fn(f64, f64, f64) -> f64,
) -> Result<Grid> {
    let sigma_max = schedule.most_sigma();
    let sigma_min = schedule.sigma(schedule.level(0));
    let sigmas = (0..n).map(|index| sigma(sigma_max, sigma_min, ramp(index, n)));
    // The way there and back through a power or a logarithm puts the last evaluation neither past the end nor a rounding
    // before it.
    let level = |sigma: f64| match sigma <= sigma_min * (1.0 + 1e-9) {
        true => schedule.level(0),
        false => schedule.level_from_sigma(sigma),
    };
    let levels: Vec<NoiseLevel> = sigmas.map(level).chain([last]).collect();
    Grid::new(levels[..n].iter().map(|&level| schedule.timestep_at(level)).collect(), levels)
}

/// `n` evaluations from the last timestep on, the way to timestep 0 in so many equal parts.
fn fractional_grid(schedule: &Schedule, n: usize, parts: usize, last: NoiseLevel) -> Result<Grid> {
    let noisiest = (schedule.clipped_timesteps() - 1) as f64;
    let timestep = |index: usize| noisiest * (1.0 - index as f64 / parts.max(1) as f64);
    let timesteps: Vec<f64> = (0..n).map(timestep).collect();
    let levels = timesteps.iter().map(|&timestep| schedule.level_at(timestep)).chain([last]).collect();
    Grid::new(timesteps, levels)
}

/// A budget is at least one evaluation, and at most one for each training timestep.
pub(super) fn check_evaluations(schedule: &Schedule, evaluations: usize) -> Result<()> {
    if (1..=schedule.len()).contains(&evaluations) {
        Ok(())
    } else {
        Err(too_many_steps(schedule.len(), evaluations))
    }
}

fn too_many_steps(train_timesteps: usize, num_inference_steps: usize) -> Error {
    Error::InvalidOption {
        option: "steps",
        accepted: format!("a whole number from 1 to {train_timesteps}, or fewer with some schedules"),
        value: num_inference_steps.to_string(),
    }
}
