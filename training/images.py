"""Reads what `training.dataset` wrote, and the one mapping between bytes and network values."""

import json
from pathlib import Path

import numpy as np
import torch


def read_images(root: Path) -> np.ndarray:
    """uint8[N, size, size, 4], premultiplied RGBA."""
    return np.load(root / "images.npy")


def read_records(root: Path) -> list[dict]:
    return json.loads((root / "index.json").read_text())


def to_sample(images: np.ndarray) -> torch.Tensor:
    """uint8[B, H, W, 4] -> f32[B, 4, H, W] in [-1, 1]; a transparent pixel is -1 in all four channels."""
    tensor = torch.from_numpy(np.ascontiguousarray(images)).float().div_(127.5).sub_(1)
    return tensor.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def to_bytes(sample: torch.Tensor) -> np.ndarray:
    """f32[B, 4, H, W] -> uint8[B, H, W, 4], still premultiplied; colour never exceeds alpha."""
    values = sample.detach().float().add(1).mul(127.5).round().clamp(0, 255).permute(0, 2, 3, 1).numpy()
    values[..., :3] = np.minimum(values[..., :3], values[..., 3:])
    return values.astype(np.uint8)
