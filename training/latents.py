"""The latents of all pictures, kept in the working folder by what made them."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import nn

from training.autoencoder import encode_all
from training.whole_file import replacing


def fingerprint(network: nn.Module) -> str:
    """Of its weights: what was made with others is of no use."""
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]


def of_all(root: Path, vae: AutoencoderTiny, images: np.ndarray) -> torch.Tensor:
    """f32[N, latent_channels, height, width], on the CPU."""
    path = root / f"latents-{fingerprint(vae.encoder)}.pt"
    if not path.exists():
        latents = encode_all(vae, images)
        with replacing(path) as file:
            torch.save(latents, file)
    return torch.load(path)
