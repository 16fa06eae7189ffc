"""What an export takes from the data."""

import unittest

import numpy as np

from training.evaluate.tables import Card
from training.export import pictures_for_preview, with_run


class TestPreview(unittest.TestCase):
    def test_no_held_out_picture_is_fitted_to(self):
        records = [{"held_out": index % 7 == 0} for index in range(3000)]
        images = np.array([record["held_out"] for record in records])
        chosen = pictures_for_preview(records, images)
        self.assertGreaterEqual(len(chosen), 1000)
        self.assertFalse(chosen.any())


class TestProvenance(unittest.TestCase):
    def tuned(self, seed: int, before: dict | None) -> dict:
        said = {"initial": None, "hardware": "a GPU", "minutes": 2, "images_seen": 9, "preset": "h200", "git_commit": "abc"}
        return said | {"seed": seed, "before": before}

    def test_every_run_by_rewards_is_told_in_its_order(self):
        here = {"seed": 1}
        first = with_run(here, "reward", self.tuned(2, None))
        self.assertEqual((first["seed"], first["reward"]["seed"], "before" in first["reward"]), (1, 2, False))
        second = with_run(here, "reward", self.tuned(3, {"seed": 4} | {"reward": first["reward"]}))
        self.assertEqual((second["seed"], second["reward"]["seed"], second["reward"]["before"]["seed"]), (4, 3, 2))
        self.assertEqual(len(Card.runs(second["reward"], "samples")), 2)
        self.assertIn("9 samples", Card.runs(second["reward"], "samples")[1])
        self.assertIn("seed 2", Card.runs(second["reward"], "samples")[0])


if __name__ == "__main__":
    unittest.main()
