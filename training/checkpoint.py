"""Saves and restores the state of a stage, so that a run that was stopped goes on where it was."""

from pathlib import Path

import torch

from training.whole_file import replacing


def save(path: Path, **state) -> None:
    """`state` holds tensors, numbers and strings."""
    with replacing(path) as file:
        torch.save(state, file)


def load(path: Path) -> dict | None:
    return torch.load(path, map_location="cpu") if path.exists() else None
