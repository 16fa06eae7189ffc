//! The noise schedule of training: how much noise there is at each timestep.

use std::f64::consts::FRAC_PI_2;

use super::{BetaSchedule, FinalSigmas, NoiseLevel, PredictionType, SchedulerConfig};
use crate::error::{Error, Result};

/// Where multistep solvers put the last timestep of a schedule that ends in pure noise, so that its `lambda`
/// is finite: diffusers' number, the least positive f16.
const LEAST_ALPHA_CUMPROD: f64 = 1.0 / (1 << 24) as f64;

/// Tables over the training timesteps `0..N`, noise rising.
///
/// Flow matching has no table: timestep `t` is `s = shift(u)`, `u = (t + 1) / N`, with
/// `shift(u) = flow_shift u / (1 + (flow_shift − 1) u)` (Esser et al. 2024, <https://arxiv.org/abs/2403.03206>, Eq.
/// (23)), so that the last is all noise and none is clean. Its networks are told `N s` instead of `t`.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// `alpha_t²` of every training timestep.
    pub alphas_cumprod: Vec<f64>,
    pub(super) beta_schedule: BetaSchedule,
    pub(super) steps_offset: usize,
    pub(super) set_alpha_to_one: bool,
    pub(super) final_sigmas: FinalSigmas,
    /// Timesteps from here on are left out by multistep solvers.
    clipped: usize,
    /// Of flow matching.
    flow_shift: Option<f64>,
}

impl Schedule {
    /// Errors with [`Error::InvalidConfig`] if no timestep is left after clipping.
    pub fn new(config: &SchedulerConfig) -> Result<Self> {
        let flow_shift = (config.prediction_type == PredictionType::Flow).then_some(config.flow_shift);
        let alphas_cumprod = match flow_shift {
            Some(shift) => {
                let count = config.num_train_timesteps;
                let alpha = |t: usize| flow_level(shift, (t + 1) as f64 / count as f64).alpha;
                (0..count).map(|t| alpha(t).powi(2)).collect()
            }
            None => products(config),
        };
        let mut schedule = Self {
            flow_shift,
            clipped: alphas_cumprod.len(),
            alphas_cumprod,
            beta_schedule: config.beta_schedule,
            steps_offset: config.steps_offset,
            set_alpha_to_one: config.set_alpha_to_one,
            final_sigmas: config.final_sigmas_type,
        };
        if let Some(least) = config.lambda_min_clipped {
            let kept = (0..schedule.len()).filter(|&t| schedule.nonzero_level(t).lambda() >= least);
            schedule.clipped = kept.count();
            if schedule.clipped == 0 {
                let message = format!("lambda_min_clipped = {least} leaves no timestep");
                return Err(Error::InvalidConfig { component: "scheduler".to_owned(), message });
            }
        }
        Ok(schedule)
    }

    /// Number of training timesteps.
    pub(super) fn len(&self) -> usize {
        self.alphas_cumprod.len()
    }

    /// Number of timesteps from 0 that multistep solvers use.
    pub(super) fn clipped_timesteps(&self) -> usize {
        self.clipped
    }

    /// The level of a training timestep.
    pub fn level(&self, timestep: usize) -> NoiseLevel {
        match self.flow_shift {
            Some(shift) => flow_level(shift, (timestep + 1) as f64 / self.len() as f64),
            None => NoiseLevel::from_alpha_cumprod(self.alphas_cumprod[timestep]),
        }
    }

    /// The same, with a little signal left where there would be none: as much as diffusers leaves, or a
    /// quarter of the timestep before, where that has less.
    pub fn nonzero_level(&self, timestep: usize) -> NoiseLevel {
        if self.alphas_cumprod[timestep] > 0.0 {
            return self.level(timestep);
        }
        let before = self.alphas_cumprod[timestep.saturating_sub(1)];
        let least = if before > LEAST_ALPHA_CUMPROD { LEAST_ALPHA_CUMPROD } else { 0.25 * before };
        NoiseLevel::from_alpha_cumprod(least)
    }

    /// The level of a timestep, between two training timesteps: the inverse of
    /// [`Schedule::timestep_from_sigma`].
    pub fn level_at(&self, timestep: f64) -> NoiseLevel {
        if timestep.fract() == 0.0 && (0.0..self.len() as f64).contains(&timestep) {
            return self.nonzero_level(timestep as usize);
        }
        if let Some(shift) = self.flow_shift {
            return self.with_signal(flow_level(shift, (timestep + 1.0) / self.len() as f64));
        }
        let low = (timestep.max(0.0) as usize).min(self.len() - 2);
        let [from, to] = [low, low + 1].map(|timestep| self.nonzero_level(timestep).lambda());
        NoiseLevel::from_lambda(from + (timestep - low as f64) * (to - from))
    }

    /// What the network is told of a timestep, whose level is `level`.
    pub(super) fn time_input(&self, timestep: f64, level: NoiseLevel) -> f64 {
        if self.flow_shift.is_some() { self.len() as f64 * level.flow() } else { timestep }
    }

    /// The timestep of which the network is told `time_input`, which is at most [`Schedule::last_time_input`].
    pub(super) fn timestep_of(&self, time_input: f64) -> f64 {
        if self.flow_shift.is_none() {
            return time_input;
        }
        let s = time_input / self.len() as f64;
        self.timestep_from_sigma(s / (1.0 - s))
    }

    /// The time input of the noisiest timestep that multistep solvers use.
    pub(super) fn last_time_input(&self) -> f64 {
        if self.flow_shift.is_some() { self.len() as f64 } else { (self.clipped - 1) as f64 }
    }

    /// The level's noise as authors count it: `s` for flow matching, else `sigma / alpha`.
    pub(super) fn sigma(&self, level: NoiseLevel) -> f64 {
        if self.flow_shift.is_some() { level.flow() } else { level.sigma_over_alpha() }
    }

    /// That of the noisiest timestep: 1 for flow matching, else with a little signal left.
    pub(super) fn most_sigma(&self) -> f64 {
        if self.flow_shift.is_some() { 1.0 } else { self.nonzero_level(self.len() - 1).sigma_over_alpha() }
    }

    /// The inverse of [`Schedule::sigma`], with a little signal where there would be none.
    pub(super) fn level_from_sigma(&self, sigma: f64) -> NoiseLevel {
        match self.flow_shift {
            Some(_) => self.with_signal(NoiseLevel::from_flow(sigma)),
            None => NoiseLevel::from_sigma(sigma),
        }
    }

    /// `level`, or the noisiest of [`Schedule::nonzero_level`] if that has more signal.
    fn with_signal(&self, level: NoiseLevel) -> NoiseLevel {
        let noisiest = self.nonzero_level(self.len() - 1);
        if level.alpha < noisiest.alpha { noisiest } else { level }
    }

    /// The timestep of a level, the counterpart of [`Schedule::level_at`].
    pub fn timestep_at(&self, level: NoiseLevel) -> f64 {
        self.timestep_from_sigma(level.sigma_over_alpha())
    }

    /// The timestep, between two training timesteps, whose level is `sigma = sigma_t / alpha_t`: of diffusion by interpolation in
    /// `ln sigma`, within the schedule's range; of flow matching exactly, from −1 (clean) on.
    pub fn timestep_from_sigma(&self, sigma: f64) -> f64 {
        if let Some(shift) = self.flow_shift {
            let s = if sigma.is_finite() { sigma / (1.0 + sigma) } else { 1.0 };
            return self.len() as f64 * s / (shift - (shift - 1.0) * s) - 1.0;
        }
        let log_sigma = |timestep: usize| -self.nonzero_level(timestep).lambda();
        let wanted = sigma.ln();
        // The first timestep with more noise, and the one before it.
        let (mut below, mut above) = (0, self.len());
        while below < above {
            let middle = below.midpoint(above);
            if log_sigma(middle) <= wanted { below = middle + 1 } else { above = middle }
        }
        let high = above.clamp(1, self.len() - 1);
        let low = high - 1;
        let weight = (wanted - log_sigma(low)) / (log_sigma(high) - log_sigma(low));
        low as f64 + weight.clamp(0.0, 1.0)
    }
}

/// The level of flow matching at `u` of the way to pure noise.
fn flow_level(shift: f64, u: f64) -> NoiseLevel {
    // Exactly 1 at the end, whatever the shift.
    NoiseLevel::from_flow(shift * u / (shift * u + (1.0 - u)))
}

/// `alphas_cumprod` of a diffusion.
fn products(config: &SchedulerConfig) -> Vec<f64> {
    let betas = betas(config);
    let products = betas.iter().scan(1.0, |product, beta| {
        *product *= 1.0 - beta;
        Some(*product)
    });
    let mut alphas_cumprod: Vec<f64> = products.collect();
    if config.rescale_betas_zero_snr {
        rescale_zero_terminal_snr(&mut alphas_cumprod);
    }
    alphas_cumprod
}

fn betas(config: &SchedulerConfig) -> Vec<f64> {
    let count = config.num_train_timesteps;
    let between =
        |start: f64, end: f64, index: usize| start + (end - start) * index as f64 / (count - 1) as f64;
    if let Some(betas) = &config.trained_betas {
        return betas.clone();
    }
    let (start, end) = (config.beta_start, config.beta_end);
    let beta = |index: usize| match config.beta_schedule {
        BetaSchedule::Linear => between(start, end, index),
        BetaSchedule::ScaledLinear => between(start.sqrt(), end.sqrt(), index).powi(2),
        BetaSchedule::SquaredcosCapV2 => {
            let alpha_bar = |time: f64| ((time + 0.008) / 1.008 * FRAC_PI_2).cos().powi(2);
            let at = |index: usize| index as f64 / count as f64;
            (1.0 - alpha_bar(at(index + 1)) / alpha_bar(at(index))).min(0.999)
        }
    };
    (0..count).map(beta).collect()
}

/// Shifts and scales `sqrt(alphas_cumprod)` so that the last entry is 0 and the first stays. Lin et al. 2023,
/// <https://arxiv.org/abs/2305.08891>, Algorithm 1.
fn rescale_zero_terminal_snr(alphas_cumprod: &mut [f64]) {
    let (Some(first), Some(last)) = (alphas_cumprod.first(), alphas_cumprod.last()) else { return };
    let (first, last) = (first.sqrt(), last.sqrt());
    for alpha_cumprod in alphas_cumprod {
        *alpha_cumprod = ((alpha_cumprod.sqrt() - last) * first / (first - last)).powi(2);
    }
}
