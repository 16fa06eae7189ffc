"""The mapping between bytes and network values."""

import unittest

import numpy as np
import torch

from training import images


class TestImages(unittest.TestCase):
    def test_bytes_come_back_as_they_were(self):
        alpha = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
        pictures = np.concatenate([alpha // 3, alpha // 2, alpha, alpha], axis=-1)
        np.testing.assert_array_equal(images.to_bytes(images.to_sample(pictures)), pictures)

    def test_values_out_of_range_are_clamped_and_colour_never_exceeds_alpha(self):
        sample = torch.tensor([2.0, 0.1, -3.0, 0.0]).reshape(1, 4, 1, 1)
        self.assertEqual(images.to_bytes(sample).reshape(4).tolist(), [128, 128, 0, 128])


if __name__ == "__main__":
    unittest.main()
