import unittest
from collections import Counter
from types import SimpleNamespace

import numpy as np
import torch

from training import text
from training.autoencoder import Chosen
from training.dataset import concepts, held_out
from training.dataset.icons import STYLE_WORDS
from training.images import to_sample
from training.tokenizer import IGNORED, UNK, WordTokenizer, add_frequent
from training.unet import ConceptSampler
from training.word_vectors import Glove, WordTable


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
    return {"base": base, "base_label": label, "tone": tone, "common": common, "label": label, "tags": ["fruit"], "style": "noto"}


class Draws(unittest.TestCase):
    def test_common_concepts_and_tones_get_their_shares(self):
        records = [record("hand", tone, True) for tone in (None, 1, 2, 3, 4, 5)] + [record("apple", None, False)]
        drawn = ConceptSampler(records, 0.9, 0.4).draw(4000, np.random.default_rng(1))
        self.assertAlmostEqual(np.mean(drawn < 6), 0.9, delta=0.03)
        self.assertAlmostEqual(np.mean(drawn[drawn < 6] == 0), 0.4, delta=0.03)

    def test_what_is_asked_for_more_often_is_drawn_more_often(self):
        records = [record("hand", None, True), record("chair", None, False), record("oar", None, False)]
        drawn = ConceptSampler(records, 0.5, 0.4, {"hand": 0.1, "chair": 0.3, "oar": 0.1}).draw(4000, np.random.default_rng(1))
        for index, share in enumerate((0.5, 0.375, 0.125)):
            self.assertAlmostEqual(np.mean(drawn == index), share, delta=0.03)

    def test_the_rarest_word_of_a_name_says_how_often_it_is_asked_for(self):
        glove = SimpleNamespace(rank_of={str(rank): rank for rank in range(9900)})
        often = [Glove.often(glove, words) for words in (["0"], ["0", "800"], ["unheard"])]
        self.assertAlmostEqual(often[0] / often[1], 3)
        self.assertAlmostEqual(often[0] / often[2], 10)

    def test_a_toned_picture_always_has_its_label(self):
        tokenizer = WordTokenizer(["apple", "dark", "fruit", "noto", "red"], IGNORED, {}, 16)
        config = {"condition_dropout": 0.0, "style_alone_rate": 0.0, "style_word_rate": 1.0}
        captions = text.Captions([record("hand", 5, True, "red apple: dark")], tokenizer, config)
        random, dark = np.random.default_rng(1), tokenizer.ids["dark"]
        drawn = [captions.draw(0, random) for _ in range(200)]
        self.assertTrue(all(dark in ids or UNK in ids for ids in drawn))
        self.assertTrue(all(tokenizer.ids[STYLE_WORDS["noto"]] in ids or UNK in ids for ids in drawn))

    def test_a_style_alone_is_a_caption(self):
        tokenizer = WordTokenizer(["apple", "fruit", "noto", "red"], IGNORED, {}, 16)
        config = {"condition_dropout": 0.0, "style_alone_rate": 0.25, "style_word_rate": 1.0}
        captions, random = text.Captions([record("apple", None, True)], tokenizer, config), np.random.default_rng(1)
        alone = tokenizer("noto")
        self.assertAlmostEqual(np.mean([captions.draw(0, random) == alone for _ in range(4000)]), 0.25, delta=0.03)

    def test_what_its_label_does_not_describe_is_described_at_a_rate(self):
        tokenizer = WordTokenizer(["apple", "blue", "cup", "dark", "fruit", "noto", "red"], IGNORED, {}, 16)
        config = {"condition_dropout": 0.0, "style_alone_rate": 0.0, "style_word_rate": 0.0, "described_rate": 0.25}
        described = {tokenizer.ids["blue"], tokenizer.ids["cup"], tokenizer.ids["red"]}
        for tone, label, rate in ((None, "apple", 0.25), (None, "red apple", 0.0), (5, "apple: dark", 0.0)):
            captions, random = text.Captions([record("apple", tone, True, label)], tokenizer, config), np.random.default_rng(1)
            firsts = [captions.draw(0, random)[1] for _ in range(4000)]
            own = tokenizer.ids["red"] if "red" in label else None
            self.assertAlmostEqual(np.mean([id in described - {own} for id in firsts]), rate, delta=0.03 if rate else 0, msg=label)


class Variations(unittest.TestCase):
    def test_each_happens_as_often_as_it_should(self):
        random, kept = np.random.default_rng(1), np.array([3, 5])
        drawn = [Chosen.draw(kept, 1, random, 0.2) for _ in range(2000)]
        self.assertAlmostEqual(np.mean([one.mirrored for one in drawn]), 0.5, delta=0.04)
        self.assertAlmostEqual(np.mean([one.turned for one in drawn]), 0.2, delta=0.04)
        self.assertAlmostEqual(np.mean([one.colours != [0, 1, 2] for one in drawn]), 0.2 * 5 / 6, delta=0.04)
        self.assertEqual({int(one.indices) for one in drawn}, {3, 5})

    def test_pixels_go_where_they_should(self):
        images = torch.arange(2 * 2 * 3 * 4, dtype=torch.uint8).reshape(2, 2, 3, 4)
        plain = Chosen(torch.tensor([1]), False, False, [0, 1, 2]).of(images)
        torch.testing.assert_close(plain, to_sample(images[1:]))
        torch.testing.assert_close(Chosen(torch.tensor([1]), True, False, [0, 1, 2]).of(images), plain.flip(-1))
        torch.testing.assert_close(Chosen(torch.tensor([1]), False, True, [0, 1, 2]).of(images), plain.mT)
        torch.testing.assert_close(Chosen(torch.tensor([1]), False, False, [2, 0, 1]).of(images), plain[:, [2, 0, 1, 3]])


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
