"""What an export takes from the data."""

import unittest

import numpy as np

from training.export import pictures_for_preview


class TestPreview(unittest.TestCase):
    def test_no_held_out_picture_is_fitted_to(self):
        records = [{"held_out": index % 7 == 0} for index in range(3000)]
        images = np.array([record["held_out"] for record in records])
        chosen = pictures_for_preview(records, images)
        self.assertGreaterEqual(len(chosen), 1000)
        self.assertFalse(chosen.any())


if __name__ == "__main__":
    unittest.main()
