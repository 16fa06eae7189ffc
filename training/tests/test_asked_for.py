import unittest

from training.asked_for import concepts_asked_for
from training.participles import with_participles
from training.tokenizer import IGNORED, WordTokenizer


class Asked(unittest.TestCase):
    def test_variants_of_a_person_count_once_and_groups_have_weights(self):
        groups = {"horse": "animals-nature", "judge": "people-body", "man judge": "people-body", "woman judge": "people-body"}
        groups |= {"man": "people-body", "woman": "people-body", "chair": "objects"}
        records = [{"base": label, "base_label": label, "group": group} for label, group in groups.items()]
        tokenizer = WordTokenizer(["chair", "horse", "judge", "man", "woman"], IGNORED, {}, 16)
        often = {"chair": 4.0, "horse": 2.0}
        asked = concepts_asked_for(
            records, tokenizer, lambda words: min(often.get(word, 6.0) for word in words), {"animals-nature": 3, "people-body": 0.5}
        )
        expected = {"horse": 6, "chair": 4, "judge": 1, "man judge": 1, "woman judge": 1, "man": 3, "woman": 3}
        self.assertEqual(asked, expected)


class Participles(unittest.TestCase):
    def test_a_tag_gets_the_other_form_of_its_verb(self):
        tags = {"cat with tears of joy": ["cat", "laugh", "laughing"], "grinning face": ["grin", "laugh"], "box": ["box"]}
        records = [{"label": label, "tags": of} for label, of in tags.items()] + [{"label": "boxing glove", "tags": ["glove"]}]
        got = {record["label"]: record["tags"] for record in with_participles(records)}
        self.assertEqual(got["cat with tears of joy"], ["cat", "laugh", "laughing"])
        self.assertEqual(got["grinning face"], ["grin", "laugh", "grinning", "laughing"])
        self.assertEqual(got["box"], ["box"])

    def test_final_letters_are_dropped_and_doubled(self):
        for base, participle in (("smile", "smiling"), ("wink", "winking"), ("hug", "hugging")):
            records = [{"label": "face", "tags": [base, participle]}, {"label": "hand", "tags": [participle]}]
            self.assertEqual(with_participles(records)[1]["tags"], [participle, base])
