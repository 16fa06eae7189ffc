import hashlib
import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from training import manifest
from training.evaluate import networks, stored

SHIPPED = Path("www/models/default/manifest.json")


class Reader(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp())
        random = np.random.default_rng(2)
        self.values = {"a": random.normal(size=(64, 65)).astype(np.float32), "b": np.array([1.5, -2.0, 0.25], np.float32)}
        rows = self.values["a"]
        scales = np.abs(rows).max(axis=1) / np.float32(127)
        quantised = np.rint(rows / scales[:, None]).astype(np.int8)
        stream = scales.tobytes() + quantised.tobytes()
        stream += self.values["b"].astype("<f2").tobytes() + b"\0\0"
        # Three rows of three, scaled by 1, -2 and 0.5; tests/weights.rs has the same bytes.
        stream += bytes([0, 0x3C, 0, 0xC0, 0, 0x38, 0, 0, 0x71, 0x1F, 0xF2, 0x39, 0x06, 0, 0, 0])
        # Two rows of 34 channels and three taps.
        scales = np.array([[1, 4], [0.25, -8]], "<f2")
        stream += scales.tobytes() + bytes([0x21] * 102) + b"\0\0"
        self.groups = np.tile([1, 2], 102).reshape(2, 34, 3) * scales.astype(np.float32)[:, [0] * 32 + [1] * 2, None]
        shards = []
        for index, part in enumerate([stream[:1001], stream[1001:]]):
            (self.folder / f"{index}.bin").write_bytes(part)
            digest = hashlib.sha256(part).hexdigest()
            shards.append({"file": f"{index}.bin", "bytes": len(part), "sha256": digest})
        tensors = [
            {"name": "a", "shape": [64, 65], "dtype": "int8"},
            {"name": "b", "shape": [3], "dtype": "f16"},
            {"name": "c", "shape": [3, 3], "dtype": "int4"},
            {"name": "d", "shape": [2, 34, 3, 1], "dtype": "int4"},
        ]
        content = {"schemaVersion": 1, "components": [{"name": "part", "tensors": tensors, "shards": shards}]}
        (self.folder / "manifest.json").write_text(json.dumps(content))

    def test_reads_back_what_was_stored_across_shards(self):
        _, tensors = manifest.load(self.folder / "manifest.json")
        self.assertTrue((tensors["part"]["b"] == self.values["b"]).all())
        self.assertEqual(tensors["part"]["c"].tolist(), [[1, 7, -1], [-2, -4, 2], [-3.5, 1.5, 3]])
        self.assertTrue((tensors["part"]["d"][..., 0] == self.groups).all())
        self.assertTrue(np.allclose(tensors["part"]["a"], stored.roundtrip(self.values["a"], "int8"), rtol=1e-6, atol=0))

    def test_refuses_a_damaged_shard(self):
        path = self.folder / "1.bin"
        path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
        with self.assertRaisesRegex(ValueError, "damaged"):
            manifest.load(self.folder / "manifest.json")


class ShippedModel(unittest.TestCase):
    def test_the_shards_fill_every_parameter_of_the_networks(self):
        content, tensors = manifest.load(SHIPPED)
        model = networks.build(content, tensors)
        embeds = model.prompt_embeds(["a red apple", ""])
        self.assertGreater((embeds[0] - embeds[1]).abs().max().item(), 1e-3)
        output = model.unet(torch.zeros(2, *model.latent_shape), 999, encoder_hidden_states=embeds).sample
        self.assertTrue(output.isfinite().all())
        shapes = {t["name"]: t["shape"] for c in content["components"] for t in c["tensors"]}
        self.assertEqual(list(model.unet.conv_in.weight.shape), shapes["conv_in.weight"])

    def test_the_shards_say_how_they_were_made(self):
        training = manifest.read(SHIPPED)["provenance"]["training"]
        self.assertRegex(training["git_commit"], r"^[0-9a-f]{40}$")
        self.assertRegex(training["data"]["images_sha256"], r"^[0-9a-f]{64}$")
        self.assertIsInstance(training["seed"], int)
        self.assertLessEqual({"dataset", "autoencoder", "text", "unet"}, training["config"].keys())


if __name__ == "__main__":
    unittest.main()
