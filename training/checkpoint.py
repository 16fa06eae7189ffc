"""Saves and restores the whole state of a stage, so that a run that was stopped goes on as if it had not been."""

import os
import random
from pathlib import Path

import numpy as np
import torch


def save(path: Path, **state) -> None:
    """`state` holds tensors, state_dicts and numbers. Written beside and renamed: a kill never leaves half a file."""
    state["random"] = (random.getstate(), np.random.get_state(), torch.get_rng_state())
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load(path: Path) -> dict | None:
    """The saved state, with the random generators put back; None where there is no checkpoint."""
    if not path.exists():
        return None
    state = torch.load(path, weights_only=False)
    python_state, numpy_state, torch_state = state.pop("random")
    random.setstate(python_state)
    np.random.set_state(numpy_state)
    torch.set_rng_state(torch_state)
    return state
