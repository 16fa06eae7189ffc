"""What is taken of a converted model."""

import unittest

import torch

from training import initial, settings
from training.evaluate import networks

MANIFEST = settings.HERE.parent / "www/models/default/manifest.json"


class TestAutoencoder(unittest.TestCase):
    def test_it_is_the_one_that_is_judged(self):
        taken, judged = initial.autoencoder(str(MANIFEST)), networks.load(MANIFEST).autoencoder
        self.assertEqual(taken.config.latent_channels, judged.config.latent_channels)
        self.assertEqual(taken.state_dict().keys(), judged.state_dict().keys())
        for name, values in judged.state_dict().items():
            torch.testing.assert_close(taken.state_dict()[name], values)


if __name__ == "__main__":
    unittest.main()
