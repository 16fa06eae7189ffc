import unittest

import numpy as np
import torch

from training import reconstruction
from training.evaluate import accuracy, damage, distances, likeness, methods, prompts, stored, synonyms
from training.images import to_sample


class Accuracies(unittest.TestCase):
    scores = np.array([[0.1, 0.5, 0.4], [0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])

    def test_any_of_the_meant_classes_counts(self):
        self.assertEqual(accuracy.hits(self.scores, [[1], [1], [0, 2]], 1).tolist(), [True, False, True])
        self.assertEqual(accuracy.hits(self.scores, [[0], [1], [2]], 2).tolist(), [False, True, True])

    def test_more_guesses_than_classes(self):
        self.assertTrue(accuracy.hits(self.scores, [[0], [1], [2]], 5).all())

    def test_wilson_interval(self):
        # 8 of 10 (Wilson 1927): 0.490 to 0.943.
        found = accuracy.share(np.array([True] * 8 + [False] * 2))
        self.assertAlmostEqual(found["low"], 0.490, places=3)
        self.assertAlmostEqual(found["high"], 0.943, places=3)
        self.assertEqual(found["n"], 10)

    def test_paired_difference(self):
        found = accuracy.paired_difference(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 1]))
        self.assertEqual(found["value"], 0.0)
        self.assertLess(found["low"], 0.0)


class Distances(unittest.TestCase):
    def test_directions_count_and_lengths_do_not(self):
        rows = np.array([[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]])
        self.assertAlmostEqual(distances.mean_pairwise(rows), (2 * 2**0.5 + 2) / 3)

    def test_groups_of_one_do_not_count(self):
        rows = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        self.assertAlmostEqual(distances.diversity(rows, ["a", "a", "b"]), 1.414)
        self.assertIsNone(distances.diversity(rows, ["a", "b", "c"]))

    def test_nearest(self):
        index, distance = distances.nearest(np.array([[1.0, 0.1]]), np.array([[0.0, 1.0], [3.0, 0.3]]))
        self.assertEqual(index.tolist(), [1])
        self.assertAlmostEqual(float(distance[0]), 0.0, places=3)

    def test_a_copy_has_no_pixel_distance(self):
        images = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 4), dtype=np.uint8)
        images[..., 3] = 255
        small = likeness.small_on_white(images)
        self.assertAlmostEqual(float(likeness.nearest_rms(small[1:2], small)[0]), 0.0, places=3)
        self.assertGreater(float(likeness.nearest_rms(small[1:2], small[[0, 2]])[0]), 0.05)


class Methods(unittest.TestCase):
    def test_the_median_is_given_with_what_it_varies_by(self):
        alike = methods.summary(np.full(9, 0.5))
        self.assertEqual((alike["median"], alike["standard_error"]), (0.5, 0.0))
        self.assertGreater(methods.summary(np.arange(9.0))["standard_error"], 0.5)

    def test_methods_that_draw_noise_are_told_apart(self):
        def step(of: str) -> dict:
            return {"update": [{"of": of, "back": 0, "coefficient": 1.0}], "correction": []}

        self.assertTrue(methods.draws_noise({"steps": [step("sample"), step("noise")]}))
        self.assertFalse(methods.draws_noise({"steps": [step("sample"), step("modelValue")]}))


class Reconstruction(unittest.TestCase):
    def test_psnr_of_a_known_error(self):
        # An opaque picture that is 0.1 off everywhere: 20 dB over any background.
        target = torch.zeros(1, 4, 8, 8)
        target[:, 3] = 1
        off = target.clone()
        off[:, :3] += 0.2
        self.assertAlmostEqual(reconstruction.psnr(off, target).item(), 20.0, places=3)

    def test_errors_outside_the_mask_do_not_count(self):
        target = torch.full((1, 4, 32, 32), -1.0)
        target[:, :, 14:18, 14:18] = 1
        near, far = target.clone(), target.clone()
        near[:, :, 18, 16] = 1
        far[:, :, 2, 2] = 1
        self.assertGreater(reconstruction.psnr(far, target).item(), 90)
        self.assertLess(reconstruction.psnr(near, target).item(), 30)

    def test_bytes_and_samples(self):
        sample = to_sample(np.array([[[[0, 255, 51, 255]]]], dtype=np.uint8))
        self.assertTrue(torch.allclose(sample.flatten(), torch.tensor([-1.0, 1.0, -0.6, 1.0]), atol=1e-6))


class Storage(unittest.TestCase):
    def test_int8_is_within_half_a_step_of_each_row(self):
        values = np.random.default_rng(1).normal(size=(64, 64, 3, 3)).astype(np.float32)
        values[3] = 0
        back = stored.roundtrip(values, "int8")
        steps = np.abs(values).reshape(64, -1).max(axis=1) / 127
        error = np.abs(back - values).reshape(64, -1).max(axis=1)
        self.assertTrue((error <= steps / 2 * 1.001).all())
        self.assertTrue((back[3] == 0).all())
        self.assertGreater(error.max(), 0)

    def test_int4_is_within_half_a_step_of_each_32_channels_or_cut(self):
        values = np.random.default_rng(1).normal(size=(64, 70, 3, 3)).astype(np.float32)
        values[3] = 0
        values[4] *= 1e-7
        back = stored.roundtrip(values, "int4")
        for first in (0, 32, 64):
            group, kept = (array[:, first : first + 32].reshape(64, -1) for array in (values, back))
            most = np.abs(group).max(axis=1, keepdims=True)
            steps = np.maximum(most / 7, 2.0**-24)
            error = np.abs(kept - group)
            is_cut = (np.abs(kept) == np.abs(kept).max(axis=1, keepdims=True)) & (np.abs(group) > np.abs(kept))
            within = error <= steps / 2 * 1.001 + (steps < 2.0**-14) * 2.0**-25
            self.assertTrue((within | (is_cut & (error <= 0.301 * most))).all())
            self.assertGreater(is_cut[5:].mean(), 0.001)
            # By the largest alone, the squares are larger.
            plain = np.rint(group / steps).clip(-7, 7) * steps
            squares, plainly = (((array - group) ** 2).sum(axis=1)[5:] for array in (kept, plain))
            self.assertTrue((squares <= plainly * 1.002).all())
            self.assertLess(squares.sum(), 0.9 * plainly.sum())
        self.assertTrue((back[3] == 0).all())
        self.assertTrue((back[4] != 0).any())

    def test_int4_is_for_the_unet(self):
        values = np.random.default_rng(1).normal(size=(128, 128)).astype(np.float32)
        tensors = {"unet": {"a": values, "first": values[1:]}, "text_encoder": {"a": values}}
        kept = stored.as_stored(tensors, "int4")
        self.assertTrue((kept["unet"]["a"] == stored.roundtrip(values, "int4")).all())
        self.assertTrue((kept["unet"]["first"] == stored.roundtrip(values[1:], "int8")).all())
        self.assertTrue((kept["text_encoder"]["a"] == stored.roundtrip(values, "int8")).all())
        self.assertEqual(stored.total_bytes(tensors, "int4"), 9216 + 16764 + 16896)

    def test_small_tensors_stay_f32(self):
        values = np.full((4095, 1), 0.1, np.float32)
        for dtype in ("f16", "int8", "int4"):
            self.assertTrue((stored.roundtrip(values, dtype) == values).all())
            self.assertEqual(stored.stored_bytes(values, dtype), 4 * 4095)

    def test_bytes(self):
        values = np.zeros((65, 65), np.float32)
        self.assertEqual(stored.stored_bytes(values, "f16"), 8452)
        self.assertEqual(stored.stored_bytes(values, "int8"), 4488)
        self.assertEqual(stored.stored_bytes(values, "int4"), 392 + 2116)

    def test_the_most_damaging_tensors_that_fit_are_kept(self):
        rows = [
            {"tensor": "unet/a", "int8": 0.1, "f16": 0.001, "extra_bytes": 100},
            {"tensor": "unet/b", "int8": 0.2, "f16": 0.001, "extra_bytes": 100},
            {"tensor": "unet/c", "int8": 0.3, "f16": 0.001, "extra_bytes": 10000},
            {"tensor": "unet/d", "int8": 0.001, "f16": 0.001, "extra_bytes": 1},
        ]
        self.assertEqual([row["tensor"] for row in damage.keep_f16(rows, 150)], ["unet/b"])
        self.assertEqual({row["tensor"] for row in damage.keep_f16(rows, 250)}, {"unet/a", "unet/b"})


class Prompts(unittest.TestCase):
    def test_counts(self):
        self.assertEqual(len({one.prompt for one in prompts.read(prompts.SYNONYMS)}), 30)
        self.assertEqual(len({one.prompt for one in prompts.read(prompts.NEWCOMERS)}), 64)

    def test_a_word_is_present_in_any_form_that_the_tokenizer_would_join(self):
        self.assertEqual(synonyms.present("berry", {"berries"}), ["berries"])
        self.assertEqual(synonyms.present("boxes", {"box"}), ["box"])
        self.assertEqual(synonyms.present("cattle", {"cat", "battle"}), [])


if __name__ == "__main__":
    unittest.main()
