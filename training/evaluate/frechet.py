"""The Frechet distance of two sets of features, with a bootstrap interval.

|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the Gaussians with the sets' means and covariances (Dowson & Landau 1982;
Heusel et al. 2017 for pictures). It is biased upwards for few samples, so only figures of equal n compare.
"""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Interval:
    value: float
    low: float
    high: float
    n: int

    def as_json(self) -> dict:
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class Gaussian:
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> "Gaussian":
        features = features.astype(np.float64)
        return cls(features.mean(axis=0), np.cov(features, rowvar=False))


def distance(first: Gaussian, second: Gaussian) -> float:
    # tr (C1 C2)^(1/2) = tr (R C2 R)^(1/2) with R = C1^(1/2): symmetric, so its eigenvalues are real and not negative.
    root = _square_root(first.covariance)
    cross = np.linalg.eigvalsh(root @ second.covariance @ root).clip(min=0)
    shift = np.square(first.mean - second.mean).sum()
    trace = np.trace(first.covariance) + np.trace(second.covariance) - 2 * np.sqrt(cross).sum()
    return float(shift + trace)


def _square_root(symmetric: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(symmetric)
    return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def with_interval(samples: np.ndarray, reference: Gaussian, resamples: int = 100, seed: int = 0) -> Interval:
    """The distance of `samples` to the reference, and a 95 % bootstrap interval over the samples.

    A resample holds duplicates, so its covariance is a worse estimate and its distance larger than that of the samples
    themselves. The interval is therefore moved back by the mean excess of the resamples: it says how much the distance
    varies from one set of samples to another of the same size, bias included.
    """
    random = np.random.default_rng(seed)
    value = distance(Gaussian.of(samples), reference)
    drawn = [
        distance(Gaussian.of(samples[random.integers(len(samples), size=len(samples))]), reference)
        for _ in range(resamples)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975]) + value - np.mean(drawn)
    return Interval(value, float(low), float(high), len(samples))
