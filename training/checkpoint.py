"""Saves and restores the state of a stage, so that a run that was stopped goes on where it was."""

import os
from pathlib import Path

import torch


def save(path: Path, **state) -> None:
    """`state` holds tensors, numbers and strings. Written beside and renamed: a kill never leaves half a file."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load(path: Path) -> dict | None:
    return torch.load(path, map_location="cpu") if path.exists() else None
