"""The prompts of the fine-tuning by rewards: most ask for a style, and never for that of a pair that is held out.

pictured    a picture of training by its label and its style
unpictured  a concept in a style that has no drawing of it, and that nothing is judged by: where obedience is learned
joined      the names of two concepts, in any style that neither holds out: nobody has drawn that either, and to draw one
            of the two is right
toned       a gesture in a skin tone that it is not held out with, in any style that it is not held out in
called      a concept as people ask for one, without a style: by its label or by what else it is called, the oftener the
            more frequent the word is in English; now and then with a word that describes it, and which is not to become
            the picture: a red car is a car, not something red, and a cup of coffee is no trophy
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from training.dataset.icons import STYLE_WORDS
from training.evaluate.pictures import Pictures
from training.faces import well_known_faces
from training.text import DESCRIBING
from training.tokenizer import WordTokenizer
from training.unet import ConceptSampler


@dataclass
class Asked:
    """What a batch of prompts asks for."""

    input_ids: torch.Tensor  # int64[B, tokens]
    concepts: torch.Tensor  # bool[B, classes]: of which any one counts
    style: torch.Tensor  # int64[B]: ANY_STYLE where none is asked for
    tone: torch.Tensor  # int64[B]: NO_TONE where a skin tone is not to be seen, 0 where a gesture has none


ANY_STYLE = -1
NO_TONE = -1
Row = tuple[list[int], list[int], int, int]  # of what is asked for


class Prompts:
    def __init__(self, known: Pictures, tokenizer: WordTokenizer, often: Callable[[list[str]], float], config: dict):
        """`often`: how often the words of a name are said, up to a factor."""
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
        of_gestures = known.training[known.has_tone[known.training]]
        self.gestures = set(known.concept[of_gestures].tolist())
        toned = {(int(known.concept[i]), int(known.tone[i])): known.records[i]["label"] for i in of_gestures if known.tone[i]}
        self.toned = [(*gesture, tokenizer.word_ids(label)) for gesture, label in sorted(toned.items())]
        self.describing = sorted(tokenizer.ids[word] for word in DESCRIBING if word in tokenizer.ids)
        tags = [set() for _ in known.labels]
        for record, concept in zip(known.records, known.concept, strict=True):
            tags[concept].update(tuple(tokenizer.word_ids(tag)) for tag in record["tags"])
        self.words = [set(name).union(*called) for name, called in zip(self.names, tags, strict=True)]
        # Whatever else is called the same is right, too; but a label means its own concept, and where that is not known
        # well the animal's face.
        called = {tuple(name): [concept] for concept, name in enumerate(self.names)}
        for whole, face in well_known_faces(known.records).items():
            called[tuple(tokenizer.word_ids(whole))].append(known.labels.index(face))
        for words in sorted(set().union(*tags) - {()}):
            called.setdefault(words, self._called_by(words))
        self.called = list(called.items())
        said = np.array([often(tokenizer.known_words(words)) for words in called])
        self.often = said / said.sum()
        self.shares = {
            "called": config["called_share"],
            "joined": config["joined_share"],
            "unpictured": config["unpictured_share"] if len(self.unpictured) else 0.0,
            "toned": config["toned_share"] if self.toned else 0.0,
        }
        self.shares["pictured"] = 1 - sum(self.shares.values())

    def draw(self, count: int, random: np.random.Generator) -> Asked:
        rows = [self._draw_one(random) for _ in range(count)]
        input_ids, concepts, style, tone = zip(*rows, strict=True)
        meant = torch.zeros(count, len(self.names), dtype=torch.bool)
        for row, classes in zip(meant, concepts, strict=True):
            row[list(classes)] = True
        return Asked(torch.tensor(input_ids), meant, torch.tensor(style), torch.tensor(tone))

    def _draw_one(self, random: np.random.Generator) -> Row:
        kind = random.choice(list(self.shares), p=list(self.shares.values()))
        if kind == "called":
            return self._called(random)
        if kind == "joined":
            return self._joined(random)
        if kind == "unpictured":
            concept, style = (int(number) for number in self.unpictured[random.choice(len(self.unpictured), p=self.chance)])
            return self._asked(self.names[concept], [concept], style, self._tone_of(concept, 0), random)
        if kind == "toned":
            concept, tone, name = self.toned[random.integers(len(self.toned))]
            return self._asked(name, [concept], int(random.choice(np.flatnonzero(self.allowed[concept]))), tone, random)
        index = self.known.training[self.pictured.draw(1, random)[0]]
        concept, style, tone = (int(of[index]) for of in (self.known.concept, self.known.style, self.known.tone))
        name = self.tokenizer.word_ids(self.known.records[index]["label"])
        return self._asked(name, [concept], style, self._tone_of(concept, tone), random)

    def _tone_of(self, concept: int, tone: int) -> int:
        return tone if concept in self.gestures else NO_TONE

    def _called(self, random: np.random.Generator) -> Row:
        words, meant = self.called[random.choice(len(self.called), p=self.often)]
        if random.random() >= self.config["described_share"]:
            tone = self._tone_of(meant[0], 0) if len(meant) == 1 else NO_TONE
            return self.tokenizer.pad(words), meant, ANY_STYLE, tone
        described = (self.describing[random.integers(len(self.describing))], *words)
        # Where the word tells a thing from others that are called like it, as in "blue heart", it counts.
        return self.tokenizer.pad(described), self._called_by(described) or meant, ANY_STYLE, NO_TONE

    def _called_by(self, words: tuple[int, ...]) -> list[int]:
        return [concept for concept, known_by in enumerate(self.words) if known_by.issuperset(words)]

    def _joined(self, random: np.random.Generator) -> Row:
        """Half of the first names are of common concepts."""
        first = random.choice(np.flatnonzero(self.common)) if random.random() < 0.5 else random.integers(len(self.names))
        second = (first + random.integers(1, len(self.names))) % len(self.names)
        pair = random.permutation([first, second])
        style = random.choice(np.flatnonzero(self.allowed[first] & self.allowed[second]))
        return self._asked(self.names[pair[0]] + self.names[pair[1]], pair.tolist(), int(style), NO_TONE, random)

    def _asked(self, name: list[int], concepts: list[int], style: int, tone: int, random: np.random.Generator) -> Row:
        """The style's word comes last, or now and then first. It stays, however long the name is."""
        word = self.styles[style]
        name = name[: self.tokenizer.model_max_length - 2 - len(word)]
        ids = name + word if random.random() < 0.8 else word + name
        return self.tokenizer.pad(ids), concepts, style, tone
