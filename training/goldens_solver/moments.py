"""Means and covariances of what stochastic methods draw, from many runs of the oracle with numpy's noise.

With given noise the other goldens fix every number of a run. These fix what they cannot see: whether the noise is drawn
anew where it must be, and none of it twice.
"""

import numpy as np

from . import methods, reference
from .network import Mixture

COUNT = 200_000
SOLVERS = (
    "ddpm", "euler-a", "dpm2-a", "dpmpp-2s-a", "dpmpp-sde", "dpmpp-2m-sde", "dpmpp-3m-sde", "sa-solver",
)  # fmt: skip
PLACES = (("sd", "karras", 10), ("sd", "karras", 20), ("sd", "trailing", 20))


class Drawn:
    """Noise that is drawn when it is read."""

    def __init__(self, random: np.random.Generator, shape: tuple[int, int]):
        self.random, self.shape = random, shape

    def __getitem__(self, _: int) -> np.ndarray:
        return self.random.standard_normal(self.shape)


def finals(config: dict, solver: str, spacing: str, evaluations: int, count: int, seed: int) -> np.ndarray:
    drawn = Drawn(np.random.default_rng(seed), (count, 3))
    start = drawn[0]
    if solver == "ddpm":
        return reference.sample(config, "ddim", spacing, evaluations, start, 1.0, drawn)[1]
    return methods.sample(config, solver, spacing, evaluations, start, {}, drawn)[2]


def moments(samples: np.ndarray) -> dict:
    """With the deviations of these estimates."""
    count, mean = len(samples), np.mean(samples, axis=0)
    away = samples - mean
    products = away[:, :, None] * away[:, None, :]
    covariance = np.mean(products, axis=0)
    return {
        "mean": mean.tolist(), "mean_error": np.sqrt(np.diag(covariance) / count).tolist(),
        "covariance": covariance.tolist(), "covariance_error": (np.std(products, axis=0) / np.sqrt(count)).tolist(),
    }  # fmt: skip


def of_data() -> dict:
    """Of the mixture itself."""
    mean = Mixture.weights @ Mixture.means
    away = Mixture.means - mean
    covariance = Mixture.deviation**2 * np.eye(len(mean)) + np.einsum("k,ki,kj->ij", Mixture.weights, away, away)
    return {"mean": mean.tolist(), "covariance": covariance.tolist()}


def rows(configs: dict):
    for solver in SOLVERS:
        for seed, (name, spacing, evaluations) in enumerate(PLACES):
            samples = finals(configs[name], solver, spacing, evaluations, COUNT, seed)
            yield {"config": name, "solver": solver, "spacing": spacing, "evaluations": evaluations} | moments(samples)
