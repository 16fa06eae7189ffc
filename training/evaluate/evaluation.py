"""What every measure works with: the model, the real pictures, the judges, and the grid of prompts.

The grid is every common concept in every style that has it, again and again, each time in another order. So the first
n prompts of the grid are a fair choice of n, and sample i of any run of any model has the noise of seed i.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from training.dataset.icons import STYLE_WORDS
from training.evaluate import looks, networks, pictures, sampler
from training.evaluate.looks import Opinion
from training.evaluate.sampler import Samples, Sampling

PLAIN = Sampling()


@dataclass(frozen=True)
class Wanted:
    """A prompt, and what must be seen."""

    prompt: str
    concepts: tuple[int, ...]  # classes of which any counts
    style: int | None = None
    tone: int | None = None
    held_out: bool = False  # the concept in this style, or with this tone, was never trained on


@dataclass
class Evaluation:
    networks: networks.Networks
    known: pictures.Pictures
    judge: looks.Judge
    attributes: looks.Attributes
    second: looks.SecondOpinion
    config: dict
    report: Callable[[str], None]
    judges: dict = field(default_factory=dict)  # what is known of their training
    opinions: dict = field(default_factory=dict)
    processes: int = 1  # that draw samples

    def draw(self, wanted: list[Wanted], sampling: Sampling = PLAIN, of: networks.Networks | None = None) -> Samples:
        prompts = [one.prompt for one in wanted]
        seeds = list(range(len(prompts)))
        return sampler.sample(of or self.networks, prompts, seeds, sampling, self.report, self.processes)

    def look(self, images: np.ndarray) -> Opinion:
        return looks.opinion(self.judge, self.attributes, images)

    def grid(self) -> list[Wanted]:
        known, wanted = self.known, []
        held_out = {
            (known.concept[index], known.style[index]): bool(known.held_out[index])
            for index in np.flatnonzero(known.tone == 0)
            if known.records[index]["common"]
        }
        count = self.config["grid_samples"]
        for seed in range(-(-count // len(held_out))):
            pairs = sorted(held_out)
            random.Random(seed).shuffle(pairs)
            wanted += [self.wish(c, s, held_out=held_out[c, s]) for c, s in pairs]
        return wanted[:count]

    def wish(self, concept: int, style: int, held_out: bool) -> Wanted:
        concept, style = int(concept), int(style)
        return Wanted(f"{self.known.labels[concept]}, {self.style_word(style)}", (concept,), style, 0, held_out)

    def style_word(self, style: int) -> str:
        return STYLE_WORDS[self.known.styles[style]]

    def common(self) -> np.ndarray:
        """Indices of the real pictures of the grid: one for each of its prompts, held out or not."""
        return np.array([i for i, r in enumerate(self.known.records) if r["common"] and r["tone"] is None])


def load(manifest: Path, root: Path, config: dict, device: str, report: Callable[[str], None]) -> Evaluation:
    known = pictures.read(root)
    judges, runs = {}, {}
    for name in ("judge", "attributes", "second"):
        judges[name], run = looks.load(root / "judges", name, known, device)
        runs[name] = {"minutes": round(run["minutes"], 1), "config": run["config"]}
    second = looks.SecondOpinion(judges["second"], known)
    model = networks.load(manifest).to(device)
    return Evaluation(model, known, judges["judge"], judges["attributes"], second, config, report, runs)
