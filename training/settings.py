"""Where the files are and which numbers apply: the preset of config.toml and the working folder.

Nothing that a stage writes belongs in the repository, so the working folder has no default inside it: it comes from
`--root` or from the environment variable TENSTEP_TRAINING_ROOT.
"""

import argparse
import json
import os
import random
import time
import tomllib
from pathlib import Path

import numpy as np

from training.whole_file import replacing

HERE = Path(__file__).resolve().parent


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every stage has."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--preset", default="cpu", help="table of config.toml to use (default: cpu)")
    options.add_argument(
        "--root",
        type=Path,
        default=os.environ.get("TENSTEP_TRAINING_ROOT"),
        help="folder for packages, images and checkpoints (default: $TENSTEP_TRAINING_ROOT)",
    )
    options.add_argument("--threads", type=int, default=os.cpu_count(), help="cores to use (default: all)")
    return options


def training_parser(description: str) -> argparse.ArgumentParser:
    """The options of a stage that trains: when it ends."""
    options = parser(description)
    options.add_argument("--minutes", type=float, help="training time, together with what a checkpoint has used")
    options.add_argument("--until", metavar="HH:MM", help="end at this wall-clock time instead")
    options.add_argument("--steps", type=int, help="end after this many steps instead: the same weights every time")
    return options


def read(options: argparse.Namespace, stage: str | None = None) -> dict:
    """The preset's tables, of which `stage` must be one; also makes sure that the working folder exists."""
    if options.root is None:
        raise SystemExit("name a working folder with --root or TENSTEP_TRAINING_ROOT")
    options.root = Path(options.root)
    options.root.mkdir(parents=True, exist_ok=True)
    with open(HERE / "config.toml", "rb") as file:
        presets = tomllib.load(file)
    if options.preset not in presets:
        raise SystemExit(f"no preset {options.preset!r}; config.toml has {', '.join(presets)}")
    preset = presets[options.preset]
    if stage is not None and stage not in preset:
        raise SystemExit(f"preset {options.preset} has no table for the stage {stage}")
    return preset


def seed_everything(seed: int, threads: int) -> None:
    import torch

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)


def write_json(path: Path, content: dict) -> None:
    with replacing(path) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def report(root: Path, stage: str, text: str) -> None:
    """One progress line, on the terminal and in STATUS.txt."""
    line = f"{time.strftime('%H:%M:%S')} {stage}: {text}"
    print(line, flush=True)
    with open(root / "STATUS.txt", "a") as file:
        file.write(line + "\n")
