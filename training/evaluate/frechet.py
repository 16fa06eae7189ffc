"""The Frechet distance of two sets of features, with a bootstrap interval.

|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of the Gaussians with the sets' means and covariances (Dowson & Landau 1982;
Heusel et al. 2017 for pictures). It is biased upwards for few samples, so only figures of equal n compare.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import torch


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

    @cached_property
    def root(self) -> np.ndarray:
        """The covariance's square root."""
        values, vectors = np.linalg.eigh(self.covariance)
        return (vectors * np.sqrt(values.clip(min=0))) @ vectors.T


def distance(first: Gaussian, second: Gaussian) -> float:
    # tr (C1 C2)^(1/2) = tr (R C1 R)^(1/2) with R = C2^(1/2): symmetric, so its eigenvalues are real and not negative.
    cross = np.linalg.eigvalsh(second.root @ first.covariance @ second.root).clip(min=0)
    shift = np.square(first.mean - second.mean).sum()
    trace = np.trace(first.covariance) + np.trace(second.covariance) - 2 * np.sqrt(cross).sum()
    return float(shift + trace)


def with_interval(
    samples: np.ndarray,
    reference: Gaussian,
    resamples: int = 100,
    seed: int = 0,
    device: str | torch.device = "cpu",
) -> Interval:
    """The distance of `samples` to the reference, and a 95 % bootstrap interval over the samples.

    A resample holds duplicates, so its covariance is a worse estimate and its distance larger than that of the samples
    themselves. The interval is therefore moved back by the mean excess of the resamples: it says how much the distance
    varies from one set of samples to another of the same size, bias included.
    """
    value = distance(Gaussian.of(samples), reference)
    drawn = _of_resamples(samples, reference, resamples, np.random.default_rng(seed), device)
    low, high = np.quantile(drawn, [0.025, 0.975]) + value - np.mean(drawn)
    return Interval(value, float(low), float(high), len(samples))


def _of_resamples(
    samples: np.ndarray, reference: Gaussian, resamples: int, random: np.random.Generator, device: str | torch.device
) -> np.ndarray:
    """The distance of each resample: covariances in f64 on the device, then eigenvalues on the processor, by threads."""
    away = torch.from_numpy(samples.astype(np.float64) - reference.mean).to(device)
    root = torch.from_numpy(reference.root).to(device)
    linear, crosses = [], []
    for _ in range(resamples):
        drawn = away[torch.from_numpy(random.integers(len(samples), size=len(samples))).to(device)]
        mean = drawn.mean(dim=0)
        drawn -= mean
        covariance = drawn.T @ drawn / (len(samples) - 1)
        linear.append(mean.square().sum() + covariance.trace())
        crosses.append(root @ covariance @ root)
    threads = torch.get_num_threads()
    shares = np.array_split(torch.stack(crosses).cpu().numpy(), threads)
    with ThreadPoolExecutor(threads) as pool:
        values = np.concatenate(list(pool.map(np.linalg.eigvalsh, shares)))
    roots = np.sqrt(values.clip(min=0)).sum(axis=1)
    return torch.stack(linear).cpu().numpy() + np.trace(reference.covariance) - 2 * roots
