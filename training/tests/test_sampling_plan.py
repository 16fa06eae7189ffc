"""A plan of `tenstep plan --json` applied in PyTorch."""

import unittest

import torch

from training import sampling_plan

A_STEP = {
    "timestep": 10.0, "modelInputScale": 2.0, "noiseSpan": None, "modelValue": {"sample": 1.0, "modelOutput": -0.5},
    "correction": [], "update": [{"of": "modelValue", "back": 0, "coefficient": 1.0}],
}  # fmt: skip


class TestSamplingPlan(unittest.TestCase):
    def test_updates_read_samples_and_model_values(self):
        second = A_STEP | {
            "update": [
                {"of": "sample", "back": 1, "coefficient": 3.0},
                {"of": "modelValue", "back": 1, "coefficient": 5.0},
                {"of": "modelValue", "back": 0, "coefficient": 7.0},
            ],
        }
        plan = {"initNoiseSigma": 1.0, "thresholding": None, "steps": [A_STEP, second]}
        # x = 1: the network sees 2 and gives 20, so m = 1 - 10 = -9; then x = -9, seen -18, gives -180, m = -9 + 90 = 81.
        end = sampling_plan.run(plan, lambda sample, timestep: timestep * sample, torch.ones(1, 1), seed=0)
        self.assertEqual(end.item(), 3 * 1 + 5 * -9 + 7 * 81)

    def test_a_correction_replaces_the_sample_before_the_update(self):
        corrected = A_STEP | {
            "correction": [{"of": "modelValue", "back": 0, "coefficient": 2.0}],
            "update": [{"of": "sample", "back": 0, "coefficient": 1.0}],
        }
        plan = {"initNoiseSigma": 1.0, "thresholding": None, "steps": [corrected]}
        end = sampling_plan.run(plan, lambda sample, timestep: timestep * sample, torch.ones(1, 1), seed=0)
        self.assertEqual(end.item(), 2 * -9)

    def test_estimates_are_kept_to_the_range_of_pixels(self):
        step = A_STEP | {"modelInputScale": 1.0, "denoised": {"sample": 0.0, "modelOutput": 2.0}}
        step |= {"modelValue": {"sample": 0.0, "modelOutput": 1.0}}
        thresholding = {"ratio": 0.75, "sampleMaxValue": 10.0}
        plan = {"initNoiseSigma": 1.0, "thresholding": thresholding, "steps": [step]}
        x = torch.tensor([[0.1, -0.2, 0.3, 0.4, -0.5], [0.01, 0.02, 0.03, 0.04, 0.05]])
        # The estimates are 20 x, so 2, -4, 6, 8, -10 with a threshold of 8, and 1 at most; the output is half of what remains.
        end = sampling_plan.run(plan, lambda sample, timestep: timestep * sample, x, seed=0)
        expected = torch.tensor([[0.125, -0.25, 0.375, 0.5, -0.5], [0.1, 0.2, 0.3, 0.4, 0.5]])
        torch.testing.assert_close(end, expected)

    def test_noise_of_overlapping_spans_is_of_one_path(self):
        noise = sampling_plan.Noise((100_000,), seed=1)
        whole_part, whole = noise.of([0.2, 0.3]), noise.of([0.2, 0.6])
        apart = noise.of([0.6, 0.7])
        for drawn in (whole_part, whole, apart):
            self.assertAlmostEqual(drawn.std().item(), 1, delta=0.01)
        self.assertAlmostEqual((whole_part * whole).mean().item(), 0.5, delta=0.015)
        self.assertAlmostEqual((whole * apart).mean().item(), 0, delta=0.015)


if __name__ == "__main__":
    unittest.main()
