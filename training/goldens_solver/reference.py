"""DDIM and DPM-Solver++(2M) in float64, straight from the papers: the oracle of the crate's planners.

Nothing here shares a formula's arrangement with the crate. The crate plans coefficients over (alpha, sigma); this works
on vectors, in the variance-exploding coordinates y = x / alpha, rho = sigma / alpha, where DDIM is Euler's method.
"""

import numpy as np

from .grid import grid
from .network import Mixture


def sample(config: dict, solver: str, spacing: str, n: int, x: np.ndarray, eta: float = 0.0, noise=None):
    """Timesteps and the final sample."""
    return sample_on(config, solver, *grid(config, solver, spacing, n), x, eta, noise)


def sample_on(config: dict, solver: str, t: np.ndarray, rhos: np.ndarray, x: np.ndarray, eta: float = 0.0, noise=None):
    """The same on a grid."""
    model = Mixture(config)
    previous = None  # (rho, denoised) of the last evaluation
    for i in range(len(t)):
        rho, rho_next = rhos[i], rhos[i + 1]
        denoised = model.estimate(x, rho, t[i])
        alpha_next = 1 / np.sqrt(1 + rho_next**2)
        if solver == "ddim":  # Song et al. 2020, Eq. (12) with (16)
            if np.isinf(rho):
                epsilon, tau = x, eta * alpha_next * rho_next
            else:
                epsilon = (x * np.sqrt(1 + rho**2) - denoised) / rho
                jump = 1 - (1 + rho_next**2) / (1 + rho**2)
                tau = eta * alpha_next * rho_next / (rho / np.sqrt(1 + rho**2)) * np.sqrt(jump)
            x = alpha_next * denoised + np.sqrt(alpha_next**2 * rho_next**2 - tau**2) * epsilon
            if eta > 0:
                x = x + tau * noise[i]
        elif rho_next == rho:
            pass  # a step of no length
        else:  # Lu et al. 2022, section 4.1: d(y/rho) = denoised d(1/rho), denoised linear in lambda = -ln rho
            final = i + 1 == len(t)
            lower = config.get("euler_at_final", False) or (config.get("lower_order_final", True) and len(t) < 15)
            slope = np.zeros_like(x)
            h = np.inf if rho_next == 0 else np.log(rho / rho_next)
            if previous is not None and not (final and (lower or rho_next == 0)):
                slope = (denoised - previous[1]) / np.log(previous[0] / rho)
            y = x * np.sqrt(1 + rho**2)
            shrink = rho_next / rho
            # Integral of e^lambda (denoised + slope · (lambda - lambda_s)); the midpoint rule takes the slope's part at h / 2.
            if config.get("solver_type", "midpoint") == "heun":
                of_slope = 0.0 if np.isinf(h) else h - (1 - shrink)
            else:
                of_slope = 0.0 if np.isinf(h) else h / 2 * (1 - shrink)
            y = shrink * y + (1 - shrink) * denoised + of_slope * slope
            x = y * alpha_next
        previous = (rho, denoised)
    return t, x
