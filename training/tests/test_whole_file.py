"""A file is there whole or not at all, whatever happens while it is written."""

import tempfile
import unittest
import unittest.mock
from pathlib import Path

import numpy as np

from training.evaluate import judges
from training.whole_file import replacing


class TestReplacing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "file.npy"

    def left(self) -> list[str]:
        return [path.name for path in self.path.parent.iterdir()]

    def test_the_old_file_stays_until_the_new_one_is_whole(self):
        self.path.write_bytes(b"old")
        with replacing(self.path) as file:
            file.write(b"new")
            file.flush()
            self.assertEqual(self.path.read_bytes(), b"old")
        self.assertEqual(self.path.read_bytes(), b"new")
        self.assertEqual(self.left(), ["file.npy"])

    def test_a_failure_leaves_what_was_there(self):
        with self.assertRaises(ZeroDivisionError), replacing(self.path) as file:
            file.write(b"half")
            raise ZeroDivisionError
        self.assertEqual(self.left(), [])

    def test_reconstructions_are_not_seen_before_they_are_whole(self):
        """Two judges are trained side by side, and make them at the same time."""
        save, seen = np.save, []

        def save_and_look(file, made):
            save(file, made)
            seen.append(self.path.exists())

        with unittest.mock.patch.object(judges.np, "save", save_and_look):
            kept = judges.kept(self.path, lambda: np.arange(5))
        self.assertEqual(seen, [False])
        np.testing.assert_array_equal(kept, np.arange(5))


if __name__ == "__main__":
    unittest.main()
