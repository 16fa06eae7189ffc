"""The network: the exact posterior mean of data whose distribution is known."""

import numpy as np

from .schedule import alphas_cumprod, is_flow, nonzero_rhos


class Mixture:
    """The exact network for a mixture of Gaussians: it knows what it is told and its own table, nothing else.

    The last axis is the sample's. The components overlap, so that the network is neither linear nor the same in all
    dimensions, but runs from nearby samples stay nearby.
    """

    means = np.array([[-0.8, 0.1, 1.3], [0.9, -0.6, -0.2], [0.1, 1.1, -1.0]])
    weights = np.array([0.5, 0.3, 0.2])
    deviation = 0.5

    def __init__(self, config: dict):
        self.prediction_type = "flow_prediction" if is_flow(config) else config["prediction_type"]
        self.count = config["num_train_timesteps"]
        self.config = config
        if not is_flow(config):
            self.table, self.rhos = alphas_cumprod(config), nonzero_rhos(config)

    def level(self, t: float) -> tuple[float, float]:
        """alpha and sigma of what it sees."""
        if self.prediction_type == "flow_prediction":
            return 1 - t / self.count, t / self.count
        if t == int(t):
            alpha_cumprod = self.table[int(t)]
        else:
            alpha_cumprod = 1 / (1 + np.exp(2 * np.interp(t, np.arange(self.count), np.log(self.rhos))))
        return np.sqrt(alpha_cumprod), np.sqrt(1 - alpha_cumprod)

    def denoised(self, x: np.ndarray, alpha: float, sigma: float) -> np.ndarray:
        """The mean of what the noisy sample may have come from."""
        spread = alpha**2 * self.deviation**2 + sigma**2  # variance of a component's noisy samples
        away = x[..., None, :] - alpha * self.means
        log_share = np.log(self.weights) - np.sum(away**2, axis=-1) / (2 * spread)
        share = np.exp(log_share - np.max(log_share, axis=-1, keepdims=True))
        share /= np.sum(share, axis=-1, keepdims=True)
        of_each = self.means + alpha * self.deviation**2 / spread * away
        return np.sum(share[..., None] * of_each, axis=-2)

    def __call__(self, x: np.ndarray, t: float) -> np.ndarray:
        alpha, sigma = self.level(t)
        denoised = self.denoised(x, alpha, sigma)
        epsilon = (x - alpha * denoised) / sigma
        match self.prediction_type:
            case "epsilon":
                return epsilon
            case "v_prediction":
                return alpha * epsilon - sigma * denoised
            case "sample":
                return denoised
            case "flow_prediction":
                return epsilon - denoised

    def estimate(self, x: np.ndarray, rho: float, t: float) -> np.ndarray:
        """Of the clean sample, by what the network gives at t for the variance-preserving x, and in range if so asked."""
        estimate = self.plain_estimate(x, rho, t)
        if not self.config.get("thresholding"):
            return estimate
        s = np.quantile(np.abs(estimate), self.config["dynamic_thresholding_ratio"])
        s = np.clip(s, 1, self.config["sample_max_value"])
        return np.clip(estimate, -s, s) / s

    def plain_estimate(self, x: np.ndarray, rho: float, t: float) -> np.ndarray:
        pure = np.isinf(rho)
        alpha, sigma = (0.0, 1.0) if pure else (1 / np.sqrt(1 + rho**2), rho / np.sqrt(1 + rho**2))
        match self.prediction_type:
            case "epsilon":
                return x / alpha - rho * self(x, t)
            case "v_prediction":
                return alpha * x - sigma * self(x, t)
            case "sample":
                return self(x, t)
            case "flow_prediction":
                s = 1.0 if pure else rho / (1 + rho)
                flowing = x if pure else x * np.sqrt(1 + rho**2) / (1 + rho)
                return flowing - s * self(flowing, t)
