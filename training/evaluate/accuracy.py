"""Accuracies from a classifier's scores, with 95 % intervals."""

import math

import numpy as np


def hits(scores: np.ndarray, meant: list[list[int]], k: int) -> np.ndarray:
    """bool[N]: is one of the classes meant by row i among its k highest scores?"""
    best = np.argpartition(-scores, min(k, scores.shape[1] - 1), axis=1)[:, :k]
    return np.array([bool(set(row) & set(classes)) for row, classes in zip(best.tolist(), meant, strict=True)])


def share(hit: np.ndarray) -> dict:
    """A share with its Wilson interval (1927), which stays within [0, 1] for few and for extreme counts."""
    n, p, z = len(hit), float(np.mean(hit)), 1.96
    centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return {"value": round(p, 4), "low": round((centre - spread) / scale, 4), "high": round((centre + spread) / scale, 4), "n": n}


def paired_difference(first: np.ndarray, second: np.ndarray) -> dict:
    """Mean of second - first over the same prompts and seeds, with its normal interval."""
    difference = second.astype(np.float64) - first.astype(np.float64)
    spread = 1.96 * difference.std(ddof=1) / math.sqrt(len(difference))
    value = difference.mean()
    return {
        "value": round(value, 4),
        "low": round(value - spread, 4),
        "high": round(value + spread, 4),
        "n": len(difference),
    }
