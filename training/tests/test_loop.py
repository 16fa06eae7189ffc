"""The training loop: what no gradient and no repetition may do to a stage."""

import argparse
import tempfile
import unittest
from pathlib import Path

import torch
from torch import nn

from training import loop

CONFIG = {
    "mixed_precision": "no", "seed": 1, "weight_decay": 0.0, "batch_size": 4, "learning_rate": 0.1, "warmup_steps": 1,
    "decay_from": 1.0, "clip": 1.0, "ema_decay": 0.9, "report_seconds": 60, "checkpoint_minutes": 60, "minutes": 1,
}  # fmt: skip


class TestLoop(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def run_stage(self, factors: list[float], steps: int | None = None) -> tuple[dict, torch.Tensor]:
        """What training says of itself, and the weights; the loss of step i is multiplied by `factors[i]`."""
        options = argparse.Namespace(
            root=self.root, threads=1, steps=steps or len(factors), minutes=None, until=None
        )
        trainer, left = loop.Trainer("stage", options, CONFIG), iter(factors)
        model = nn.Linear(3, 1)
        loss = lambda model, batch: next(left) * model(torch.ones(4, 3)).square().mean()  # noqa: E731
        run = trainer.run(model, lambda random, size: size, loss)
        return run, model.weight.detach().clone()

    def test_a_gradient_that_is_no_number_moves_nothing(self):
        run, weight = self.run_stage([1.0, float("nan"), 1.0])
        self.assertEqual(run["steps"], 3)
        self.assertTrue(weight.isfinite().all())

    def test_many_of_them_end_the_stage(self):
        with self.assertRaisesRegex(SystemExit, "not finite"):
            self.run_stage([1.0] + [float("nan")] * 10)

    def test_a_stage_that_is_done_goes_no_further(self):
        _, weight = self.run_stage([1.0] * 4)
        run, again = self.run_stage([], steps=4)
        self.assertEqual(run["steps"], 4)
        torch.testing.assert_close(again, weight)


if __name__ == "__main__":
    unittest.main()
