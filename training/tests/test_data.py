import unittest
from collections import Counter

import numpy as np
import torch

from training import text
from training.dataset import concepts, held_out
from training.dataset.icons import STYLE_WORDS
from training.tokenizer import IGNORED, UNK, WordTokenizer, add_frequent
from training.unet import ConceptSampler
from training.word_vectors import WordTable


class Lists(unittest.TestCase):
    lists = held_out.read()

    def test_there_are_200_common_concepts(self):
        self.assertEqual(len(set(concepts.read().labels)), 200)

    def test_every_common_concept_has_one_drawing_held_out(self):
        drawings = {(base, held_out.drawing_of(style)) for base, style in self.lists["pairs"]}
        self.assertGreaterEqual(len(drawings), 200)
        self.assertEqual(set(Counter(base for base, _ in drawings).values()), {1})

    def test_fluent_and_flat_go_together(self):
        pairs = {tuple(pair) for pair in self.lists["pairs"]}
        for base, style in pairs:
            if style.startswith("fluent"):
                self.assertTrue({(base, "fluent-emoji"), (base, "fluent-emoji-flat")} <= pairs)

    def test_a_pair_holds_out_its_tones_and_a_tone_all_its_styles(self):
        lists = {"pairs": [["1F44D", "noto"]], "tones": [["1F44D", 5]]}
        record = {"base": "1F44D", "style": "noto", "tone": 2}
        self.assertEqual(held_out.reason(record, lists), "pair")
        self.assertEqual(held_out.reason(record | {"style": "twemoji", "tone": 5}, lists), "tone")
        self.assertIsNone(held_out.reason(record | {"style": "twemoji"}, lists))


def record(base: str, tone: int | None, common: bool, label: str = "red apple") -> dict:
    return {"base": base, "tone": tone, "common": common, "label": label, "tags": ["fruit"], "style": "noto"}


class Draws(unittest.TestCase):
    def test_common_concepts_and_tones_get_their_shares(self):
        records = [record("hand", tone, True) for tone in (None, 1, 2, 3, 4, 5)] + [record("apple", None, False)]
        drawn = ConceptSampler(records, 0.9, 0.4).draw(4000, np.random.default_rng(1))
        self.assertAlmostEqual(np.mean(drawn < 6), 0.9, delta=0.03)
        self.assertAlmostEqual(np.mean(drawn[drawn < 6] == 0), 0.4, delta=0.03)

    def test_a_toned_picture_always_has_its_label(self):
        tokenizer = WordTokenizer(["apple", "dark", "fruit", "noto", "red"], IGNORED, {}, 16)
        config = {"condition_dropout": 0.0, "style_word_rate": 1.0}
        captions = text.Captions([record("hand", 5, True, "red apple: dark")], tokenizer, config)
        random, dark = np.random.default_rng(1), tokenizer.ids["dark"]
        drawn = [captions.draw(0, random) for _ in range(200)]
        self.assertTrue(all(dark in ids or UNK in ids for ids in drawn))
        self.assertTrue(all(tokenizer.ids[STYLE_WORDS["noto"]] in ids or UNK in ids for ids in drawn))


class Words(unittest.TestCase):
    def test_frequent_words_are_added_unless_a_rule_finds_them(self):
        tokenizer = add_frequent(WordTokenizer(["apple"], IGNORED, {}, 16), ["the", "apples", "pony", ",", "dont't"])
        self.assertEqual(tokenizer.words, ["apple", "pony"])

    def test_words_of_no_caption_settle_among_their_neighbours(self):
        weights = np.array([[0.5, 0.5], [0.5, 0.5], [0.75, 0.25]])
        table = WordTable(np.zeros((3, 2), np.float32), np.array([[0, 0], [1, 1], [0, 1]]), weights)
        rows = np.array([[4, 0], [0, 8], [9, 9]], np.float32)
        self.assertEqual(table.settled(rows).tolist(), [[4, 0], [0, 8], [3, 2]])

    def test_the_encoder_projects_rows_and_adds_positions(self):
        config = {"hidden_size": 8, "intermediate_size": 8, "layers": 1, "heads": 2, "model_max_length": 4}
        torch.manual_seed(0)
        embeddings = text.build(config, 6).embeddings
        ids = torch.tensor([[1, 5, 2, 0]])
        expected = embeddings.token_embedding.weight[ids] @ embeddings.project_in.weight.T
        expected = expected + embeddings.position_embedding.weight
        torch.testing.assert_close(embeddings(input_ids=ids), expected)


if __name__ == "__main__":
    unittest.main()
