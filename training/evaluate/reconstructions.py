"""How well the shipped autoencoder gives back held-out pictures."""

import numpy as np
import torch

from training import reconstruction
from training.evaluate.evaluation import Evaluation
from training.images import to_sample


@torch.no_grad()
def measure(evaluation: Evaluation) -> dict:
    """Mean PSNR in dB inside the dilated mask over three backgrounds, and over the whole square."""
    known, model = evaluation.known, evaluation.networks
    kinds = {"held_out": np.flatnonzero(known.held_out), "trained": known.training[:: max(1, len(known.training) // 400)]}
    result = {}
    for kind, indices in kinds.items():
        masked, whole = [], []
        for first in range(0, len(indices), 50):
            target = to_sample(known.images[indices[first : first + 50]]).to(model.device)
            output = model.decode(model.encode(target))
            masked.append(reconstruction.psnr(output, target))
            whole.append(reconstruction.whole_psnr(output, target))
        masked, whole = torch.cat(masked), torch.cat(whole)
        result[kind] = {
            "psnr": round(masked.mean().item(), 2),
            "psnr_worst_tenth": round(torch.quantile(masked, 0.1).item(), 2),
            "psnr_whole_square": round(whole.mean().item(), 2),
            "n": len(indices),
        }
    return result
