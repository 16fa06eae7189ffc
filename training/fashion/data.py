"""Fashion-MNIST (Xiao et al. 2017, MIT) from the Debian package dataset-fashion-mnist."""

import gzip
import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

PACKAGE, PIN = "dataset-fashion-mnist", "39e172fe32dd318e"
CLASSES = [
    "T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
]  # fmt: skip
ANY_CLASS = len(CLASSES)


@dataclass
class Split:
    images: np.ndarray  # uint8[N, 28, 28]
    labels: np.ndarray  # int64[N]


def fetch(folder: Path) -> Path:
    """The folder of the four files; downloads and unpacks the package if they are not there."""
    folder.mkdir(parents=True, exist_ok=True)
    unpacked = folder / "usr/share/datasets/fashion-mnist"
    if not unpacked.exists():
        subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
        package = next(folder.glob(f"{PACKAGE}_*.deb"))
        digest = hashlib.sha256(package.read_bytes()).hexdigest()
        if not digest.startswith(PIN):
            raise SystemExit(f"{package.name}: sha256 {digest[:16]}..., expected {PIN}...")
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=folder, check=True)
    return unpacked


def read(folder: Path, split: str) -> Split:
    """`split` is "train" (60,000) or "t10k" (10,000)."""
    files = fetch(folder)
    images = gzip.decompress((files / f"{split}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((files / f"{split}-labels-idx1-ubyte.gz").read_bytes())
    pixels = np.frombuffer(images, np.uint8, offset=16).reshape(-1, 28, 28).copy()  # writable, as torch wants it
    return Split(pixels, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))


def to_sample(images: np.ndarray) -> torch.Tensor:
    """uint8[B, 28, 28] -> f32[B, 4, 14, 14] in [-1, 1]: each 2x2 of pixels as four channels, the network's sample."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).float().div_(127.5).sub_(1)
    return F.pixel_unshuffle(pixels[:, None], 2)


def to_pixels(sample: torch.Tensor) -> torch.Tensor:
    """f32[B, 4, 14, 14] -> f32[B, 1, 28, 28] in [-1, 1], rounded as bytes are."""
    return F.pixel_shuffle(sample, 2).clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)
