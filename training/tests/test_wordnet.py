"""Distances of nouns, on a tree of five kinds written as WordNet writes its files."""

import tempfile
import unittest
from pathlib import Path

from training.wordnet import MOST, Nouns, distance

# offset, lexicographer's file, type, words, one word and its id, pointers, then symbol target type source/target
DATA = """  1 the licence is indented
00000001 03 n 01 animal 0 000 | a living thing
00000002 05 n 01 horse 0 001 @ 00000001 n 0000 | it neighs
00000003 05 n 02 pony 0 small_horse 0 001 @ 00000002 n 0000 | a small one
00000004 05 n 01 wolf 0 002 @ 00000001 n 0000 ~ 00000003 n 0000 | it howls
00000005 06 n 01 pony 1 000 | a glass
"""
INDEX = """  1 the licence is indented
animal n 1 1 @ 1 0 00000001
horse n 1 1 @ 1 0 00000002
pony n 2 1 @ 2 0 00000005 00000003
wolf n 1 1 @ 1 0 00000004
"""


class TestNouns(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        package = Path(self.folder.name)
        (package / "dict").mkdir()
        (package / "dict" / "data.noun").write_text(DATA)
        (package / "dict" / "index.noun").write_text(INDEX)
        self.nouns = Nouns(package)

    def tearDown(self):
        self.folder.cleanup()

    def between(self, first: str, second: str) -> float:
        return distance(self.nouns.above(first), self.nouns.above(second))

    def test_steps_go_up_to_a_common_kind_and_down(self):
        self.assertEqual(self.between("horse", "horse"), 0)
        self.assertEqual(self.between("horse", "wolf"), 2)
        # The animal is the rarer sense.
        self.assertEqual(self.between("pony", "horse"), 1.5)
        self.assertEqual(self.between("pony", "wolf"), 3.5)

    def test_plurals_are_nouns_too(self):
        self.assertIn("wolves", self.nouns)
        self.assertIn("ponies", self.nouns)
        self.assertEqual(self.between("wolves", "horse"), 2)

    def test_what_is_no_noun_is_far_from_everything(self):
        self.assertNotIn("gallop", self.nouns)
        self.assertEqual(self.between("gallop", "horse"), MOST)


if __name__ == "__main__":
    unittest.main()
