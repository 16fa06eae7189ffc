"""The network: the exact posterior mean of data whose distribution is known."""

import numpy as np

from .schedule import LEAST_ALPHA_CUMPROD, alphas_cumprod, rho_of


class Gaussian:
    """The exact network for data ~ N(mean, deviation²): it knows the timestep and its own table, nothing else."""

    mean = np.array([-0.8, 0.1, 1.3])
    deviation = 0.5

    def __init__(self, config: dict):
        self.prediction_type = config["prediction_type"]
        self.table = alphas_cumprod(config)

    def __call__(self, x: np.ndarray, t: float) -> np.ndarray:
        if t == int(t):
            alpha_cumprod = self.table[int(t)]
        else:
            table = np.where(self.table == 0, LEAST_ALPHA_CUMPROD, self.table)
            alpha_cumprod = 1 / (1 + np.exp(2 * np.interp(t, np.arange(len(table)), np.log(rho_of(table)))))
        alpha, sigma = np.sqrt(alpha_cumprod), np.sqrt(1 - alpha_cumprod)
        variance = self.deviation**2
        denoised = self.mean + alpha * variance / (alpha_cumprod * variance + 1 - alpha_cumprod) * (x - alpha * self.mean)
        epsilon = (x - alpha * denoised) / sigma
        match self.prediction_type:
            case "epsilon":
                return epsilon
            case "v_prediction":
                return alpha * epsilon - sigma * denoised
            case "sample":
                return denoised


def denoised_from(prediction_type: str, output: np.ndarray, x: np.ndarray, rho: float) -> np.ndarray:
    alpha, sigma = (0.0, 1.0) if np.isinf(rho) else (1 / np.sqrt(1 + rho**2), rho / np.sqrt(1 + rho**2))
    match prediction_type:
        case "epsilon":
            return x / alpha - rho * output
        case "v_prediction":
            return alpha * x - sigma * output
        case "sample":
            return output
