"""What every run starts from."""

import numpy as np

START = np.array([0.7, -1.2, 0.4])


def noise(n: int) -> np.ndarray:
    """Made of whole numbers, so that the test makes the same: noise[i][j] = ((7 i + 3 j + 5) mod 11) / 4 - 1.25."""
    i, j = np.meshgrid(np.arange(n), np.arange(len(START)), indexing="ij")
    return ((7 * i + 3 * j + 5) % 11) / 4 - 1.25
