"""The networks that give rewards: RGB in [0, 1] in, features and scores of concept, style and skin tone out.

They are not the judges: of another architecture, trained by another seed, and what they teach is measured by the judges
alone.
"""

import torch
from torch import nn
from torch.nn import functional as F

from training.evaluate.judge_networks import mean_and_largest


class Block(nn.Module):
    """Norms come first (He et al. 2016b), and a 3x3 convolution widens what a 1x1 narrows again."""

    def __init__(self, width: int):
        super().__init__()
        self.norm, self.inner_norm = nn.BatchNorm2d(width), nn.BatchNorm2d(2 * width)
        self.widen = nn.Conv2d(width, 2 * width, 3, padding=1, bias=False)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.narrow(F.gelu(self.inner_norm(self.widen(self.norm(x)))))


class RewardNetwork(nn.Module):
    """`patch`: pixels to a side of what its first layer makes one place. Later stages halve by averaging."""

    def __init__(self, concepts: int, styles: int, tones: int, patch: int, widths: list[int], blocks: list[int]):
        super().__init__()
        inputs = widths[0]
        layers = [nn.Conv2d(3, inputs, 2 * patch + 1, patch, patch, bias=False), nn.BatchNorm2d(inputs), nn.GELU()]
        for width, count in zip(widths, blocks, strict=True):
            if width != inputs:
                layers += [nn.AvgPool2d(2), nn.Conv2d(inputs, width, 1)]
                inputs = width
            layers += [Block(width) for _ in range(count)]
        self.trunk = nn.Sequential(*layers, nn.BatchNorm2d(inputs), nn.GELU())
        self.concept = nn.Linear(2 * inputs, concepts)
        self.style = nn.Linear(2 * inputs, styles)
        self.tone = nn.Linear(2 * inputs, tones)

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        return mean_and_largest(self.trunk(pictures * 2 - 1))

    def heads(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"concept": self.concept(features), "style": self.style(features), "tone": self.tone(features)}
