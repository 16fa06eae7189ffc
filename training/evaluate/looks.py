"""A trained judge looking at pictures: features, and scores for every concept, style and skin tone.

A picture has no background of its own, so it is looked at twice, on white and on black, and the two opinions are
averaged: a white heart cannot be seen on white, nor a black one on black.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from training import checkpoint
from training.evaluate import augment
from training.evaluate.judge_networks import Attributes, Judge, Second
from training.evaluate.pictures import TONES, Pictures

BACKGROUNDS = (1.0, 0.0)
BATCH, BATCH_ON_GPU = 200, 1000


def build(name: str, config: dict, known: Pictures) -> Judge | Attributes | Second:
    if name == "judge":
        return Judge(len(known.labels), len(known.styles), TONES, config["widths"], config["blocks"])
    if name == "attributes":
        return Attributes(len(known.styles), TONES, config["widths"])
    return Second(config["width"], config["layers"], config["heads"], config["embedding"])


def save(folder: Path, name: str, network: torch.nn.Module, config: dict, known: Pictures, minutes: float) -> None:
    checkpoint.save(
        folder / f"{name}.pt",
        state=network.state_dict(),
        config=config,
        labels=known.labels,
        styles=known.styles,
        minutes=minutes,
    )


def load(folder: Path, name: str, known: Pictures, device: str) -> tuple[Judge | Attributes | Second, dict]:
    """The network, and the numbers that it was trained with."""
    saved = checkpoint.load(folder / f"{name}.pt")
    if saved is None:
        raise SystemExit(f"{folder} has no {name}.pt: run python -m training.evaluate.judges")
    if saved["labels"] != known.labels or saved["styles"] != known.styles:
        raise SystemExit(f"{name}.pt was trained on other concepts: run python -m training.evaluate.judges again")
    network = build(name, saved["config"], known)
    network.load_state_dict(saved["state"])
    return network.eval().to(device, memory_format=torch.channels_last), saved


@dataclass
class Opinion:
    features: np.ndarray  # f32[N, width]
    scores: dict[str, np.ndarray]  # by head, f32[N, classes]

    def __getitem__(self, rows) -> "Opinion":
        return Opinion(self.features[rows], {head: scores[rows] for head, scores in self.scores.items()})


@torch.no_grad()
def features(network: Judge | Attributes | Second, images: np.ndarray) -> torch.Tensor:
    """uint8[N, H, W, 4] -> f32[backgrounds, N, width]"""
    batches, device = [], next(network.parameters()).device
    size = BATCH if device.type == "cpu" else BATCH_ON_GPU
    for first in range(0, len(images), size):
        pictures = augment.rgba(torch.from_numpy(np.ascontiguousarray(images[first : first + size])).to(device))
        views = torch.cat([augment.over(pictures, augment.grey(value).to(device)) for value in BACKGROUNDS])
        with torch.autocast(device.type, torch.bfloat16):
            seen = network.features(views.contiguous(memory_format=torch.channels_last))
        batches.append(seen.float().reshape(len(BACKGROUNDS), len(pictures), -1))
    return torch.cat(batches, dim=1)


@torch.no_grad()
def probabilities(network: Judge | Attributes, seen: torch.Tensor) -> dict[str, np.ndarray]:
    return {head: logits.softmax(dim=-1).mean(dim=0).cpu().numpy() for head, logits in network.heads(seen).items()}


def opinion(judge: Judge, attributes: Attributes, images: np.ndarray) -> Opinion:
    """The judge's features and concepts, with the other network's styles and skin tones. Scores are probabilities."""
    seen = features(judge, images)
    scores = probabilities(judge, seen) | probabilities(attributes, features(attributes, images))
    return Opinion(seen.mean(dim=0).cpu().numpy(), scores)


class SecondOpinion:
    """The second network names a concept by the mean embedding of its training pictures: the nearest mean wins."""

    def __init__(self, second: Second, known: Pictures):
        self.second = second
        _, embeddings = self._look(known.images[known.training])
        means = np.zeros((len(known.labels), embeddings.shape[1]), np.float32)
        np.add.at(means, known.concept[known.training], embeddings)
        self.means = means / np.linalg.norm(means, axis=1, keepdims=True).clip(min=1e-12)

    @torch.no_grad()
    def _look(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen = features(self.second, images).mean(dim=0)
        return seen.cpu().numpy(), self.second.embed(seen).cpu().numpy()

    def __call__(self, images: np.ndarray) -> Opinion:
        """Scores are cosines."""
        seen, embeddings = self._look(images)
        return Opinion(seen, {"concept": embeddings @ self.means.T})
