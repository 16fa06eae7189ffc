//! One level of noise, and the views of it that authors use.
//!
//! | view | sample | noise |
//! | --- | --- | --- |
//! | variance preserving | `x = alpha x_0 + sigma epsilon`, `alpha² + sigma² = 1` | `alpha`, `sigma` |
//! | variance exploding | `y = x / alpha = x_0 + rho epsilon` | `rho = sigma / alpha` |
//! | flow matching | `x / (alpha + sigma) = (1 − s) x_0 + s epsilon` | `s = sigma / (alpha + sigma)` |
//!
//! They are one sample in three scales, so every method works for networks trained in any of them. All states and
//! coefficients here are in the first.

/// Signal and noise coefficients of `x = alpha · x_0 + sigma · epsilon`, with `alpha² + sigma² = 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoiseLevel {
    /// `alpha_t`, in `0..=1`: 0 is pure noise.
    pub alpha: f64,
    /// `sigma_t`, in `0..=1`: 0 is a clean sample.
    pub sigma: f64,
}

impl NoiseLevel {
    /// No noise.
    pub const CLEAN: Self = Self { alpha: 1.0, sigma: 0.0 };

    /// From `alpha²`, an entry of `alphas_cumprod`.
    pub fn from_alpha_cumprod(alpha_cumprod: f64) -> Self {
        Self { alpha: alpha_cumprod.sqrt(), sigma: (1.0 - alpha_cumprod).sqrt() }
    }

    /// From `sigma / alpha`, the noise level of the variance-exploding form `x_0 + sigma · epsilon`.
    pub fn from_sigma(sigma: f64) -> Self {
        let alpha = 1.0 / sigma.hypot(1.0);
        Self { alpha, sigma: sigma * alpha }
    }

    /// From the `s` of flow matching, `(1 − s) x_0 + s epsilon`, scaled to variance preserving.
    pub fn from_flow(s: f64) -> Self {
        let norm = s.hypot(1.0 - s);
        Self { alpha: (1.0 - s) / norm, sigma: s / norm }
    }

    /// From half the log signal-to-noise ratio.
    pub fn from_lambda(lambda: f64) -> Self {
        Self::from_sigma((-lambda).exp())
    }

    /// `sigma / alpha`; infinite for pure noise.
    pub fn sigma_over_alpha(self) -> f64 {
        self.sigma / self.alpha
    }

    /// The `s` of flow matching, in `0..=1`: the inverse of [`NoiseLevel::from_flow`].
    pub fn flow(self) -> f64 {
        self.sigma / (self.alpha + self.sigma)
    }

    /// Where on a Brownian path this level is, in `0..=1`, even in `lambda`, which is the time of the stochastic
    /// equation's noise. The same for every schedule, and wide enough for all.
    pub fn path_time(self) -> f64 {
        const FIRST: f64 = -10.0;
        const LAST: f64 = 20.0;
        ((self.lambda() - FIRST) / (LAST - FIRST)).clamp(0.0, 1.0)
    }

    /// Half the log signal-to-noise ratio, `lambda_t`; infinite at both ends.
    pub fn lambda(self) -> f64 {
        self.alpha.ln() - self.sigma.ln()
    }
}
