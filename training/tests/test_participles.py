import unittest
from types import SimpleNamespace

import numpy as np

from training.participles import verbs_of
from training.tokenizer import FIRST_WORD
from training.word_vectors import DIMENSION, Glove


class Participles(unittest.TestCase):
    def test_a_picture_has_both_forms(self):
        tags = {
            "cat with tears of joy": ["laugh", "laughing"], "grinning face": ["grin"], "box": ["box"], "boxing glove": [],
            "hands": ["hug", "hugging"], "flirting": ["flirt"],
        }  # fmt: skip
        verbs = verbs_of([{"label": label, "tags": of} for label, of in tags.items()])
        self.assertEqual(verbs, {"laughing": "laugh", "grinning": "grin", "hugging": "hug", "flirting": "flirt"})

    def test_one_that_common_concepts_lack_gets_the_row_of_its_verb(self):
        words = ["grin", "grinning", "laugh", "laughing", "sew", "sewing"]
        random = np.random.default_rng(1)
        glove = Glove.__new__(Glove)
        glove.rank_of = {word: rank for rank, word in enumerate(words)}
        glove.vectors, glove.mean = random.standard_normal((len(words), DIMENSION)), np.zeros(DIMENSION)
        glove.whitening = np.eye(DIMENSION)
        verbs = {"grinning": "grin", "laughing": "laugh", "sewing": "sew"}
        nouns = SimpleNamespace(above=lambda word, senses=3: {})
        table = glove.table(words, FIRST_WORD, len(words), {"grin", "grinning", "laugh"}, verbs, nouns, seed=1)
        rows = random.standard_normal((FIRST_WORD + len(words), DIMENSION)).astype(np.float32)
        settled = table.settled(rows)
        changed = np.flatnonzero(np.abs(settled - rows).max(axis=1) > 1e-6)
        self.assertEqual([words[row - FIRST_WORD] for row in changed], ["laughing"])
        np.testing.assert_allclose(settled[FIRST_WORD + 3], rows[FIRST_WORD + 2], rtol=1e-6)
