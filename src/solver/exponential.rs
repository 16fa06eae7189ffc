//! Exponential integrators in `lambda`: what the methods of the DPM-Solver family have in common.
//!
//! The exact solution from level `s` to level `t`, with `h = lambda_t − lambda_s` (Lu et al. 2022,
//! <https://arxiv.org/abs/2206.00927>, Eq. (3.4), and <https://arxiv.org/abs/2211.01095>, Eq. (8)):
//!
//! ```text
//! x_t = (alpha_t / alpha_s) x_s − alpha_t ∫ e^(−lambda) epsilon dlambda             epsilon form
//! x_t = (sigma_t / sigma_s) x_s + sigma_t ∫ e^lambda denoised dlambda               data form
//! ```
//!
//! With the model value as a Taylor polynomial `m_0 + m' (lambda − lambda_s) + …` both are
//!
//! ```text
//! x_t = a x_s + c_1 m_0 + c_2 h m' + c_3 h² m'',   c_k = S h phi_k(z),
//! phi_1(z) = (e^z − 1) / z,   phi_(k+1)(z) = (phi_k(z) − 1/k!) / z
//! ```
//!
//! with `z = h`, `S = −sigma_t`, `a = alpha_t / alpha_s` in the epsilon form and `z = −h`, `S = alpha_t`,
//! `a = sigma_t / sigma_s` in the data form. The stochastic equation whose noise has the rate `eta` of the
//! reverse diffusion's has, in the data form, `(1 + eta) h` for `h` in the `c_k`, `a` times `e^(−eta h)`, and
//! noise of deviation `sigma_t sqrt(1 − e^(−2 eta h))` (Lu et al., section 5, with `eta` = 1; k-diffusion).

use super::NoiseLevel;
use super::problem::Value;

/// The coefficients of one step; see the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Exponential {
    /// Of the sample.
    pub a: f64,
    /// Of the model value, and of its differences.
    pub c: [f64; 3],
    /// Of the noise.
    pub noise: f64,
    /// `z`.
    pub z: f64,
    /// `S`.
    pub scale: f64,
}

impl Exponential {
    /// The deterministic step, in the data form or else the epsilon form.
    pub fn new(form: Value, level: NoiseLevel, next: NoiseLevel) -> Self {
        let data_form = form == Value::Denoised;
        let h = next.lambda() - level.lambda();
        let (z, scale, a) = if data_form {
            (-h, next.alpha, next.sigma / level.sigma)
        } else {
            (h, -next.sigma, next.alpha / level.alpha)
        };
        let mut step = Self { a, c: [f64::NAN; 3], noise: 0.0, z, scale };
        if next.sigma > 0.0 {
            step.c = step.coefficients();
        } else {
            // The limit of h to infinity; only first order has one.
            step.c[0] = if data_form { next.alpha } else { -next.alpha * level.sigma_over_alpha() };
        }
        step
    }

    /// The step of the equation with noise of rate `eta`, in the data form.
    pub fn stochastic(level: NoiseLevel, next: NoiseLevel, eta: f64) -> Self {
        let mut step = Self::new(Value::Denoised, level, next);
        let h = step.z.abs();
        if eta > 0.0 && next.sigma > 0.0 {
            step.z = -(1.0 + eta) * h;
            step.a *= (-eta * h).exp();
            step.c = step.coefficients();
            step.noise = next.sigma * (-(-2.0 * eta * h).exp_m1()).sqrt();
        }
        step
    }

    fn coefficients(&self) -> [f64; 3] {
        [1, 2, 3].map(|k| self.scale * self.z.abs() * phi(k, self.z))
    }
}

/// `phi_k`; see the module.
pub(super) fn phi(k: u32, z: f64) -> f64 {
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    if k == 1 {
        return if z == 0.0 { 1.0 } else { z.exp_m1() / z };
    }
    if z.abs() < 0.5 {
        // The recurrence would cancel: Σ z^j / (j + k)!.
        return (0..16).rev().fold(0.0, |sum, j| sum * z + 1.0 / factorial(j + k));
    }
    (phi(k - 1, z) - 1.0 / factorial(k - 1)) / z
}
