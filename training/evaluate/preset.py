"""The numbers of a folder's own config.toml by the name of the preset, the working folder, and what f32 means."""

import argparse
import tomllib
from pathlib import Path

import torch

from training import settings

INSTRUMENTS = Path(__file__).with_name("config.toml")


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every instrument has."""
    options = settings.parser(description)
    options.formatter_class = argparse.RawDescriptionHelpFormatter
    device = "cuda" if torch.cuda.is_available() else "cpu"
    options.add_argument("--device", default=device, help=f"where networks run (default: {device})")
    return options


def read(options: argparse.Namespace, config: Path = INSTRUMENTS) -> dict:
    """The preset's tables; also makes a path of the working folder, and keeps a GPU from rounding f32 to TF32."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if options.root is None:
        raise SystemExit("name the working folder with --root or TENSTEP_TRAINING_ROOT")
    options.root = Path(options.root)
    with open(config, "rb") as file:
        presets = tomllib.load(file)
    if options.preset not in presets:
        raise SystemExit(f"no preset {options.preset!r}; {config} has {', '.join(presets)}")
    return presets[options.preset]
