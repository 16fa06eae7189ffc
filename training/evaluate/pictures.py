"""The real pictures, as the judges know them: classes, and which of them may be trained on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.images import read_images, read_records

TONES = 6  # 0: without a skin tone, then light to dark


@dataclass
class Pictures:
    images: np.ndarray  # uint8[N, H, W, 4], premultiplied
    records: list[dict]
    labels: list[str]  # of the concepts, in the order of their classes
    styles: list[str]

    def __post_init__(self):
        classes = {label: index for index, label in enumerate(self.labels)}
        self.concept = np.array([classes[record["base_label"]] for record in self.records])
        self.style = np.array([self.styles.index(record["style"]) for record in self.records])
        self.tone = np.array([record["tone"] or 0 for record in self.records])
        self.held_out = np.array([record["held_out"] for record in self.records])
        self.has_tone = np.isin(self.concept, self.concept[self.tone > 0])  # does the concept come in skin tones?

    def classes(self, labels: list[str]) -> list[int]:
        return [self.labels.index(label) for label in labels if label in self.labels]

    @property
    def training(self) -> np.ndarray:
        return np.flatnonzero(~self.held_out)

    def held_out_by(self, reason: str) -> np.ndarray:
        """Indices of the pictures held out as "pair" (a concept in a style) or as "tone" (a gesture in a skin tone)."""
        return np.flatnonzero([record["held_out_by"] == reason for record in self.records])


def read(root: Path) -> Pictures:
    records = read_records(root)
    labels = list(dict.fromkeys(record["base_label"] for record in records))
    styles = list(dict.fromkeys(record["style"] for record in records))
    return Pictures(read_images(root), records, labels, sorted(styles))
