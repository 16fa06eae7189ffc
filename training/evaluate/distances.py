"""Distances between pictures in a network's features: diversity, and nearest neighbours in the training set.

Features are compared as unit vectors; the distance is |a - b|, from 0 (same direction) to 2 (opposite).
"""

import numpy as np


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.linalg.norm(features, axis=1, keepdims=True).clip(min=1e-12)


def mean_pairwise(features: np.ndarray) -> float:
    """Mean distance over all pairs of different rows."""
    normed = unit(features.astype(np.float64))
    distances = np.sqrt((2 - 2 * normed @ normed.T).clip(min=0))
    n = len(features)
    return float((distances.sum() - np.trace(distances)) / (n * (n - 1)))


def diversity(features: np.ndarray, groups: list) -> float | None:
    """Mean over groups (pictures of one concept, say) of the mean pairwise distance within; groups of one do not count."""
    rows: dict = {}
    for index, group in enumerate(groups):
        rows.setdefault(group, []).append(index)
    within = [mean_pairwise(features[indices]) for indices in rows.values() if len(indices) > 1]
    return round(float(np.mean(within)), 3) if within else None


def nearest(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each query the nearest reference's index, and its distance."""
    cosines = unit(queries) @ unit(references).T
    index = cosines.argmax(axis=1)
    best = np.take_along_axis(cosines, index[:, None], axis=1)[:, 0]
    return index, np.sqrt((2 - 2 * best).clip(min=0))
