"""The prompts of the fine-tuning by rewards: a style is always asked for, and never of a pair that is held out.

pictured    a picture of training by its label and its style
unpictured  a concept in a style that has no drawing of it, and that nothing is judged by: where obedience is learned
joined      the names of two concepts, in any style that neither holds out: nobody has drawn that either, and to draw one
            of the two is right
"""

from dataclasses import dataclass

import numpy as np
import torch

from training.dataset.icons import STYLE_WORDS
from training.evaluate.pictures import Pictures
from training.tokenizer import WordTokenizer
from training.unet import ConceptSampler


@dataclass
class Asked:
    """What a batch of prompts asks for."""

    input_ids: torch.Tensor  # int64[B, tokens]
    concepts: torch.Tensor  # int64[B, 2]: classes of which either counts, often the same twice
    style: torch.Tensor  # int64[B]


class Prompts:
    def __init__(self, known: Pictures, tokenizer: WordTokenizer, config: dict):
        self.known, self.tokenizer, self.config = known, tokenizer, config
        self.pictured = ConceptSampler(
            [known.records[i] for i in known.training], config["common_share"], config["untoned_share"]
        )
        self.names = [tokenizer.word_ids(label) for label in known.labels]
        self.styles = [tokenizer.word_ids(STYLE_WORDS[style]) for style in known.styles]
        shape = len(known.labels), len(known.styles)
        held_out, drawn, common = np.zeros(shape, bool), np.zeros(shape, bool), np.zeros(shape[0], bool)
        pairs = known.held_out_by("pair")
        held_out[known.concept[pairs], known.style[pairs]] = True
        drawn[known.concept[known.training], known.style[known.training]] = True
        common[known.concept[[record["common"] for record in known.records]]] = True
        self.allowed = ~held_out
        self.unpictured = np.argwhere(self.allowed & ~drawn)
        # As with pictures, the common concepts, which are learned by heart, get a fixed share.
        weights = common[self.unpictured[:, 0]].astype(np.float64)
        share = config["common_unpictured_share"] if 0 < weights.sum() < len(weights) else weights.any()
        self.chance = share * weights / max(1, weights.sum()) + (1 - share) * (1 - weights) / max(1, (1 - weights).sum())
        self.common = common

    def draw(self, count: int, random: np.random.Generator) -> Asked:
        rows = [self._draw_one(random) for _ in range(count)]
        ids, concepts, style = zip(*rows, strict=True)
        return Asked(torch.tensor(ids), torch.tensor(concepts), torch.tensor(style))

    def _draw_one(self, random: np.random.Generator) -> tuple[list[int], list[int], int]:
        kind = random.random()
        if kind < self.config["joined_share"]:
            return self._joined(random)
        if kind < self.config["joined_share"] + self.config["unpictured_share"] and len(self.unpictured):
            concept, style = self.unpictured[random.choice(len(self.unpictured), p=self.chance)]
            return self._asked(self.names[concept], [int(concept)] * 2, int(style), random)
        index = self.known.training[self.pictured.draw(1, random)[0]]
        name = self.tokenizer.word_ids(self.known.records[index]["label"])
        return self._asked(name, [int(self.known.concept[index])] * 2, int(self.known.style[index]), random)

    def _joined(self, random: np.random.Generator) -> tuple[list[int], list[int], int]:
        """Half of the first names are of common concepts."""
        first = random.choice(np.flatnonzero(self.common)) if random.random() < 0.5 else random.integers(len(self.names))
        second = random.integers(len(self.names))
        pair = random.permutation([first, second])
        style = random.choice(np.flatnonzero(self.allowed[first] & self.allowed[second]))
        return self._asked(self.names[pair[0]] + self.names[pair[1]], pair.tolist(), int(style), random)

    def _asked(
        self, name: list[int], concepts: list[int], style: int, random: np.random.Generator
    ) -> tuple[list[int], list[int], int]:
        """The style's word comes last, or now and then first. It stays, however long the name is."""
        word = self.styles[style]
        name = name[: self.tokenizer.model_max_length - 2 - len(word)]
        ids = name + word if random.random() < 0.8 else word + name
        return self.tokenizer.pad(ids), concepts, style
