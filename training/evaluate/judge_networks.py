"""The networks that look at pictures: RGB in [0, 1] of any square size in, features out."""

import torch
from torch import nn
from torch.nn import functional as F


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(outputs)
        self.skip = nn.Identity() if inputs == outputs and stride == 1 else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(inner)) + self.skip(x))


class Judge(nn.Module):
    """A residual network for concepts (He et al. 2016). Its heads for style and skin tone only help it to learn."""

    def __init__(self, concepts: int, styles: int, tones: int, widths: list[int], blocks: list[int]):
        super().__init__()
        layers = [
            nn.Conv2d(3, widths[0] // 2, 3, 2, 1, bias=False),
            nn.BatchNorm2d(widths[0] // 2),
            nn.ReLU(),
            nn.Conv2d(widths[0] // 2, widths[0], 3, 2, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        ]
        inputs = widths[0]
        for stage, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            for block in range(count):
                layers.append(Residual(inputs, width, 2 if block == 0 and stage > 0 else 1))
                inputs = width
        self.trunk = nn.Sequential(*layers)
        self.concept = nn.Linear(inputs, concepts)
        self.style = nn.Linear(inputs, styles)
        self.tone = nn.Linear(inputs, tones)

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.trunk(pictures * 2 - 1).mean(dim=(2, 3))

    def heads(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"concept": self.concept(features), "style": self.style(features), "tone": self.tone(features)}


def mean_and_largest(places: torch.Tensor) -> torch.Tensor:
    """f32[B, C, H, W] -> f32[B, 2C]: what is seen all over, and what is seen anywhere."""
    return torch.cat([places.mean(dim=(2, 3)), places.amax(dim=(2, 3))], dim=1)


class Attributes(nn.Module):
    """Style and skin tone. Both are in shading and colour, so it starts at full resolution and stays shallow."""

    def __init__(self, styles: int, tones: int, widths: list[int]):
        super().__init__()
        layers, inputs = [], 3
        for depth, width in enumerate(widths):
            layers += [nn.Conv2d(inputs, width, 3, 1 if depth == 0 else 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        self.trunk = nn.Sequential(*layers)
        self.style = nn.Linear(2 * inputs, styles)
        self.tone = nn.Linear(2 * inputs, tones)

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        return mean_and_largest(self.trunk(pictures * 2 - 1))

    def heads(self, features: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"style": self.style(features), "tone": self.tone(features)}


class Second(nn.Module):
    """A transformer over the places of a small convolutional stem (Xiao et al. 2021), with an embedding on top."""

    def __init__(self, width: int, layers: int, heads: int, embedding: int, places: int = 64):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width // 4, 5, 4, 2),
            nn.GELU(),
            nn.Conv2d(width // 4, width, 3, 2, 1),
        )
        self.position = nn.Parameter(0.02 * torch.randn(1, places, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(width)
        self.embedding = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, embedding))

    def features(self, pictures: torch.Tensor) -> torch.Tensor:
        tokens = self.stem(pictures * 2 - 1).flatten(2).transpose(1, 2)
        return self.norm(self.encoder(tokens + self.position)).mean(dim=1)

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        return F.normalize(self.embedding(features), dim=-1)
