import unittest

import torch

from training.evaluate.judges import train

CONFIG = {
    "ema_decay": 0.9, "weight_decay": 0.0, "learning_rate": 1e-3, "minutes": 0.002, "warmup_steps": 1, "decay_from": 0.5,
}  # fmt: skip


class Training(unittest.TestCase):
    def test_it_learns(self):
        torch.manual_seed(0)
        lines, inputs = [], torch.randn(32, 4)
        network = train(torch.nn.Linear(4, 1), lambda n: n(inputs).square().mean(), CONFIG, "cpu", lines.append)
        self.assertLess(network(inputs).square().mean().item(), 0.5)
        self.assertRegex(lines[-1], r"done: \d+ steps")

    def test_a_loss_that_is_no_number_ends_it(self):
        with self.assertRaisesRegex(SystemExit, "the loss is nan at step 0"):
            train(torch.nn.Linear(4, 1), lambda n: n(torch.full((1, 4), torch.nan)).mean(), CONFIG, "cpu", print)


if __name__ == "__main__":
    unittest.main()
