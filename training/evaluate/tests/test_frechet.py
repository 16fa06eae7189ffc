import unittest

import numpy as np

from training.evaluate.frechet import Gaussian, distance, with_interval


def rotation(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


class ClosedForms(unittest.TestCase):
    def test_equal_gaussians_are_nowhere_apart(self):
        gaussian = Gaussian(np.arange(4.0), np.diag([1.0, 2.0, 3.0, 4.0]))
        self.assertAlmostEqual(distance(gaussian, gaussian), 0.0, places=10)

    def test_shifted_gaussians_are_their_means_apart(self):
        covariance = rotation(3, 1) @ np.diag([0.5, 1.0, 4.0]) @ rotation(3, 1).T
        first, second = Gaussian(np.zeros(3), covariance), Gaussian(np.array([1.0, 2.0, 2.0]), covariance)
        self.assertAlmostEqual(distance(first, second), 9.0, places=10)

    def test_commuting_covariances_differ_by_their_deviations(self):
        # (C1 C2)^(1/2) has the products of the deviations on its diagonal: sum (s1 - s2)^2 is left.
        turned, s1, s2 = rotation(4, 2), np.array([1.0, 2.0, 3.0, 0.5]), np.array([2.0, 1.0, 3.0, 0.0])
        first = Gaussian(np.zeros(4), turned @ np.diag(s1**2) @ turned.T)
        second = Gaussian(np.zeros(4), turned @ np.diag(s2**2) @ turned.T)
        self.assertAlmostEqual(distance(first, second), 1 + 1 + 0 + 0.25, places=7)

    def test_general_covariances_of_two_dimensions(self):
        # tr (C1 C2)^(1/2) = (tr C1 C2 + 2 (det C1 C2)^(1/2))^(1/2) for 2x2.
        c1, c2 = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, -0.8], [-0.8, 3.0]])
        cross = np.sqrt(np.trace(c1 @ c2) + 2 * np.sqrt(np.linalg.det(c1 @ c2)))
        expected = np.trace(c1) + np.trace(c2) - 2 * cross
        self.assertAlmostEqual(distance(Gaussian(np.zeros(2), c1), Gaussian(np.zeros(2), c2)), expected, places=10)


class Samples(unittest.TestCase):
    def test_many_samples_are_as_far_as_their_gaussians(self):
        random = np.random.default_rng(5)
        first = random.normal(size=(20000, 3)) * [1.0, 2.0, 1.0]
        reference = Gaussian(np.array([1.0, 0.0, 0.0]), np.eye(3))
        found = with_interval(first, reference, resamples=40)
        self.assertLess(abs(found.value - 2.0), 0.1)
        self.assertLess(found.low, found.value)
        self.assertLess(found.value, found.high)
        self.assertTrue(found.low < 2.0 < found.high)

    def test_the_interval_is_of_the_distances_of_resamples(self):
        random = np.random.default_rng(7)
        samples, reference = random.normal(size=(60, 4)), Gaussian.of(random.normal(size=(80, 4)) + 1)
        draws = np.random.default_rng(3)
        drawn = [distance(Gaussian.of(samples[draws.integers(60, size=60)]), reference) for _ in range(12)]
        found = with_interval(samples, reference, 12, seed=3)
        low, high = np.quantile(drawn, [0.025, 0.975]) + found.value - np.mean(drawn)
        self.assertAlmostEqual(found.low, low, places=9)
        self.assertAlmostEqual(found.high, high, places=9)

    def test_the_interval_is_given_again_by_its_seed(self):
        samples, reference = np.random.default_rng(6).normal(size=(200, 2)), Gaussian(np.zeros(2), np.eye(2))
        self.assertEqual(with_interval(samples, reference, 10, seed=3), with_interval(samples, reference, 10, seed=3))
        self.assertNotEqual(with_interval(samples, reference, 10, seed=3), with_interval(samples, reference, 10, seed=4))


if __name__ == "__main__":
    unittest.main()
