import unittest

import numpy as np

from training import text
from training.faces import well_known_faces
from training.tokenizer import IGNORED, UNK, WordTokenizer


def record(label: str, common: bool) -> dict:
    return {"base": label, "base_label": label, "label": label, "common": common, "tags": [], "tone": None, "style": "noto"}


RECORDS = [
    record("horse", False), record("horse face", True), record("cat", True), record("cat face", True),
    record("pig face", False), record("pig", False), record("fox", True), record("angry face", True),
]  # fmt: skip


class Faces(unittest.TestCase):
    def test_a_face_stands_for_its_animal_only_where_it_is_known_better(self):
        self.assertEqual(well_known_faces(RECORDS), {"horse": "horse face"})

    def test_its_captions_say_the_animal_at_a_rate(self):
        tokenizer = WordTokenizer(["cat", "face", "horse", "noto"], IGNORED, {}, 8)
        config = {"condition_dropout": 0.0, "style_alone_rate": 0.0, "style_word_rate": 0.0, "described_rate": 0.0}
        captions = text.Captions(RECORDS, tokenizer, config | {"face_is_whole_rate": 0.8})
        for index, rate in ((1, 0.6 * 0.8), (3, 0.0)):
            random, alone = np.random.default_rng(1), tokenizer(RECORDS[index]["label"].removesuffix(" face"))
            drawn = [captions.draw(index, random) for _ in range(6000)]
            whole = [ids for ids in drawn if UNK not in ids]
            self.assertAlmostEqual(np.mean([ids == alone for ids in whole]), rate, delta=0.03)
