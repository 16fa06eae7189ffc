"""Where the benchmark works and which numbers apply: a folder of its own in the working folder, its own config.toml."""

import argparse
from pathlib import Path

from training.evaluate import preset


def read(options: argparse.Namespace) -> dict:
    """The preset's tables."""
    config = preset.read(options, Path(__file__).with_name("config.toml"))
    options.root = options.root / "fashion"
    options.root.mkdir(parents=True, exist_ok=True)
    return config
