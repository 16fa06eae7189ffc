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
    """Noise that is drawn when it is read; in the first `paired` evaluations, every second has the one before in it.

    Both noises of a step of DPM-Solver++ SDE are increments of one path over lambda from where the step starts, and the
    first ends halfway.
    """

    def __init__(self, random: np.random.Generator, shape: tuple[int, int], paired: int = 0):
        self.random, self.shape, self.paired = random, shape, paired
        self.before = np.zeros(shape)

    def __getitem__(self, evaluation: int) -> np.ndarray:
        fresh = self.random.standard_normal(self.shape)
        is_second = evaluation < self.paired and evaluation % 2 == 1
        self.before = (self.before + fresh) / np.sqrt(2) if is_second else fresh
        return self.before


def finals(config: dict, solver: str, spacing: str, evaluations: int, count: int, seed: int) -> np.ndarray:
    # The step to a clean sample is one evaluation; what is left before it over whole steps, a step of one.
    paired = (evaluations - 1) // 2 * 2 if solver == "dpmpp-sde" else 0
    drawn = Drawn(np.random.default_rng(seed), (count, 3), paired)
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
