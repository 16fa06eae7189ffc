"""What an export takes from the data."""

import os
import tempfile
import unittest
from pathlib import Path

import numpy as np

from training.evaluate.tables import Card
from training.export import FINE_TUNINGS, fine_tunings, pictures_for_preview, with_run


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


class TestFineTunings(unittest.TestCase):
    def test_one_that_began_before_another_ended_is_not_exported(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            self.assertEqual(fine_tunings(root), [])
            for second, stage in enumerate(FINE_TUNINGS):
                (root / f"{stage}.json").touch()
                os.utime(root / f"{stage}.json", (second, second))
                self.assertEqual(fine_tunings(root), list(FINE_TUNINGS[: second + 1]))
            os.utime(root / "reward.json", (9, 9))
            with self.assertRaisesRegex(SystemExit, "reward was run after short_prompts"):
                fine_tunings(root)


if __name__ == "__main__":
    unittest.main()
