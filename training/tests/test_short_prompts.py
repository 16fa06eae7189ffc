import unittest

import numpy as np

from training import short_prompts
from training.dataset.icons import STYLE_WORDS
from training.evaluate import prompts
from training.tokenizer import IGNORED, UNK, WordTokenizer

STYLES = sorted(STYLE_WORDS)
BEST = ["fluent-emoji", "noto", "twemoji"]
CONFIG = {
    "condition_dropout": 0.1, "named_share": 0.2, "style_alone_rate": 0.1, "style_word_rate": 0.5, "described_rate": 0.25,
    "face_is_whole_rate": 0.8, "common_share": 0.8, "untoned_share": 0.4, "best_styles": BEST,
}  # fmt: skip
FLUENT = ("fluent-emoji", "fluent-emoji-flat")  # one drawing: held out together


def records(label: str, common: bool, tags: list[str], held_out: tuple[str, ...] = ()) -> list[dict]:
    return [
        {
            "base": label, "base_label": label, "label": label, "style": style, "common": common, "tone": None, "tags": tags,
            "held_out": style in held_out, "held_out_by": "pair" if style in held_out else None,
        }
        for style in STYLES
    ]  # fmt: skip


RECORDS = [
    *records("horse", False, ["racing"]), *records("horse face", True, ["horse"], FLUENT),
    *records("tangerine", True, ["orange"], ("noto",)), *records("fox", True, ["animal"]), *records("key", False, ["lock"]),
    *records("red apple", True, []), *records("green apple", True, []), *records("new moon", False, []),
]  # fmt: skip
TRAINED = [record for record in RECORDS if not record["held_out"]]


class Drawn(unittest.TestCase):
    def setUp(self):
        words = ["horse", "face", "tangerine", "orange", "fox", "animal", "racing", "key", "lock", "red", "brown", "green", "apple", "new", "full", "moon", *STYLE_WORDS.values()]
        self.tokenizer = WordTokenizer(words, IGNORED, {}, 8)
        self.prompts = short_prompts.ShortPrompts(RECORDS, self.tokenizer, CONFIG)
        indices, said, meant = self.prompts.draw(8000, np.random.default_rng(0))

        def text(ids: list[int]) -> str:
            return " ".join("?" if id == UNK else words[id - 4] for id in ids if id >= UNK)

        self.rows = [
            (TRAINED[index], text(before), text(after))
            for index, before, after in zip(indices.tolist(), said.tolist(), meant.tolist(), strict=True)
        ]
        self.meant = {said: meant for _, said, meant in self.rows}

    def test_a_short_name_means_the_long_one_in_every_style_but_held_out_ones(self):
        self.assertEqual(self.meant["horse"], "horse face noto")
        self.assertEqual(self.meant["brown horse"], "brown horse face noto")
        self.assertEqual(self.meant["orange twemoji"], "tangerine twemoji")
        self.assertEqual(self.meant["noto horse"], "noto horse face")
        for _, said, meant in self.rows:
            words = set(meant.split())
            self.assertFalse({"horse", "fluent"} <= words or {"horse", "flat"} <= words or {"tangerine", "noto"} <= words, said)

    def test_what_describes_a_name_is_not_part_of_another(self):
        def meant(said: str) -> str:
            ids = self.prompts.meant([self.tokenizer.ids[word] for word in said.split()])
            return " ".join(self.tokenizer.words[id - 4] for id in ids)

        self.assertEqual(meant("apple"), "red apple")
        for said in ("green apple", "brown apple", "red apple", "racing horse", "new moon"):
            self.assertEqual(meant(said), said)
        self.assertEqual(meant("brown moon"), "brown full moon")

    def test_without_a_style_the_best_one_that_is_drawn_is_meant_and_shown(self):
        self.assertEqual(self.meant["fox"], "fox fluent")
        self.assertEqual(self.meant["horse face"], "horse face noto")
        for record, said, _ in self.rows:
            if said in ("fox", "orange", "horse"):
                wanted = {"fox": ("fox", "fluent-emoji"), "orange": ("tangerine", "fluent-emoji"), "horse": ("horse face", "noto")}
                self.assertEqual((record["label"], record["style"]), wanted[said])

    def test_all_else_means_itself(self):
        short = {"horse", "orange", "apple", "moon"}
        others = [(said, meant) for _, said, meant in self.rows if not short.intersection(said.split())]
        styled = [(said, meant) for said, meant in others if set(said.split()).intersection(STYLE_WORDS.values())]
        self.assertEqual([said for said, _ in styled], [meant for _, meant in styled])
        self.assertIn(("", ""), others)
        self.assertIn(("noto", "noto"), styled)

    def test_nothing_that_synonyms_are_judged_by_is_taught(self):
        judged = {one.prompt for one in prompts.read(prompts.SYNONYMS)}
        self.assertFalse(judged.intersection(short_prompts.EVERYDAY_NAMES))

    def test_whole_animals_that_are_to_be_faces_are_no_examples(self):
        self.assertFalse([record for record, *_ in self.rows if record["label"] == "horse"])


if __name__ == "__main__":
    unittest.main()
