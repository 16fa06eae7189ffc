"""Reads what `training.dataset` wrote, and the one mapping between bytes and network values."""

import json
from pathlib import Path

import numpy as np
import torch


def read_images(root: Path) -> np.ndarray:
    """uint8[N, H, W, 4], premultiplied RGBA."""
    return np.load(root / "images.npy")


def read_records(root: Path) -> list[dict]:
    return json.loads((root / "index.json").read_text())


def to_sample(images: np.ndarray | torch.Tensor, device: torch.device | str | None = None) -> torch.Tensor:
    """uint8[B, H, W, 4] -> f32[B, 4, H, W] in [-1, 1], on the device (None: where they are).

    A transparent pixel is -1 in all four channels.
    """
    tensor = images if isinstance(images, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(images))
    tensor = tensor.to(device).float().div_(127.5).sub_(1)
    return tensor.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)


def to_bytes(sample: torch.Tensor) -> np.ndarray:
    """f32[B, 4, H, W] -> uint8[B, H, W, 4], still premultiplied; colour never exceeds alpha."""
    values = sample.detach().float().add(1).mul(127.5).round().clamp(0, 255).permute(0, 2, 3, 1)
    colour = torch.minimum(values[..., :3], values[..., 3:])
    return torch.cat([colour, values[..., 3:]], dim=-1).byte().cpu().numpy()


def over_white(premultiplied: np.ndarray) -> np.ndarray:
    """uint8 RGB on white, for looking at."""
    colour = premultiplied[..., :3].astype(np.int32)
    alpha = premultiplied[..., 3:].astype(np.int32)
    return np.clip(colour + 255 - alpha, 0, 255).astype(np.uint8)
