"""What a judge may meet and must see through: random views of a picture on random backgrounds.

Small shifts, scales and turns, light, blur and noise; nothing that makes one concept another: no mirror (a waxing moon
would wane) and no change of hue (a red heart would be an orange one).
"""

import math

import torch
from torch.nn import functional as F


SIZE = 64  # of what the judges see; larger pictures are averaged down, which is exact because they are premultiplied


def rgba(images: torch.Tensor) -> torch.Tensor:
    """uint8[B, H, W, 4] premultiplied -> f32[B, 4, SIZE, SIZE] in [0, 1]"""
    return F.avg_pool2d(images.permute(0, 3, 1, 2).float() / 255, images.shape[1] // SIZE)


def over(pictures: torch.Tensor, background: torch.Tensor) -> torch.Tensor:
    """Premultiplied RGBA over a background of [B or 1, 3, H or 1, W or 1]: f32[B, 3, H, W] in [0, 1]"""
    return pictures[:, :3] + (1 - pictures[:, 3:]) * background


def grey(value: float) -> torch.Tensor:
    return torch.full((1, 3, 1, 1), value)


def _random(generator: torch.Generator, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=generator, device=generator.device)


def random_backgrounds(count: int, size: int, generator: torch.Generator) -> torch.Tensor:
    """White or black often, else a gradient between two colours: f32[B, 3, H, W]"""
    colours = _random(generator, 2, count, 3, 1, 1)
    ramp = torch.linspace(0, 1, size, device=generator.device).view(1, 1, size, 1)
    ramp = torch.where(_random(generator, count, 1, 1, 1) < 0.5, ramp, ramp.transpose(2, 3))
    steepness = _random(generator, count, 1, 1, 1)
    mixed = colours[0] + steepness * ramp * (colours[1] - colours[0])
    kind = _random(generator, count, 1, 1, 1)
    return torch.where(kind < 0.35, 1.0, torch.where(kind < 0.5, 0.0, mixed))


def random_views(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Premultiplied RGBA f32[B, 4, H, W] -> RGB f32[B, 3, H, W] in [0, 1]"""
    moved = _move(pictures, generator)
    seen = over(moved, random_backgrounds(len(pictures), pictures.shape[-1], generator))
    return _soften(_relight(seen, generator), generator)


def gentle_views(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Moved and on random backgrounds only: style is in the shading, and tone is a colour."""
    moved = _move(pictures, generator)
    return over(moved, random_backgrounds(len(pictures), pictures.shape[-1], generator))


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return low + (high - low) * _random(generator, count)


def _move(pictures: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    count = len(pictures)
    angle = _uniform(count, -math.pi / 15, math.pi / 15, generator)
    zoom = 1 / _uniform(count, 0.8, 1.12, generator)
    rows = [
        torch.stack([zoom * angle.cos(), -zoom * angle.sin(), _uniform(count, -0.15, 0.15, generator)], dim=1),
        torch.stack([zoom * angle.sin(), zoom * angle.cos(), _uniform(count, -0.15, 0.15, generator)], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def _relight(seen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    count = len(seen)

    def factor(low: float, high: float) -> torch.Tensor:
        return _uniform(count, low, high, generator).view(-1, 1, 1, 1)

    middle = seen.mean(dim=(2, 3), keepdim=True)
    seen = middle + (seen - middle) * factor(0.8, 1.2)
    luma = seen.mean(dim=1, keepdim=True)
    seen = luma + (seen - luma) * factor(0.8, 1.2)
    return (seen * factor(0.85, 1.15)).clamp(0, 1)


def _soften(seen: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A third is blurred, a third is noisy."""
    count = len(seen)
    kernel = torch.tensor([1.0, 2.0, 1.0], device=seen.device)
    kernel = (kernel[:, None] * kernel / 16).expand(3, 1, 3, 3)
    blurred = F.conv2d(F.pad(seen, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    blurred = torch.lerp(seen, blurred, _random(generator, count, 1, 1, 1))
    seen = torch.where(_random(generator, count, 1, 1, 1) < 1 / 3, blurred, seen)
    noise = 0.04 * _random(generator, count, 1, 1, 1) * torch.randn(seen.shape, generator=generator, device=seen.device)
    return torch.where(_random(generator, count, 1, 1, 1) < 1 / 3, seen + noise, seen).clamp(0, 1)
