"""What steps and guidance do: the same prompts and the same noise at each setting."""

import diffusers
import numpy as np
import torch

from training.evaluate import fidelity
from training.evaluate.evaluation import Evaluation, Wanted
from training.evaluate.likeness import frechet_distances
from training.evaluate.sampler import Samples, Sampling


def root_mean_square(difference: torch.Tensor) -> np.ndarray:
    """f32[N] of latents"""
    return difference.square().mean(dim=(1, 2, 3)).sqrt().numpy()


def judged(evaluation: Evaluation, wanted: list[Wanted], samples: Samples) -> dict:
    return fidelity.top(evaluation.look(samples.images), wanted) | {"frechet": frechet_distances(evaluation, samples.images)}


def converged(evaluation: Evaluation, wanted: list[Wanted]) -> dict:
    """Ten steps against many from the same x_T, of the same solver and of DDIM, which must agree on where they lead."""
    config = evaluation.config
    n, steps = config["converged_samples"], config["converged_steps"]
    wanted = wanted[:n]
    few = evaluation.draw(wanted)
    many = evaluation.draw(wanted, Sampling(steps=steps))
    away = root_mean_square(few.latents - many.latents)
    check = max(10, n // 10)
    ddim = evaluation.draw(wanted[:check], Sampling(steps=2 * steps, scheduler=diffusers.DDIMScheduler))
    apart = root_mean_square(ddim.latents - many.latents[:check])
    return {
        "steps": steps,
        "n": n,
        "median_rms": round(float(np.median(away)), 4),
        "median_rms_of_ddim": {"steps": 2 * steps, "n": check, "value": round(float(np.median(apart)), 4)},
        "ten": judged(evaluation, wanted, few),
        "many": judged(evaluation, wanted, many),
    }


def guidance(evaluation: Evaluation, wanted: list[Wanted]) -> list[dict]:
    wanted = wanted[: evaluation.config["sweep_samples"]]
    return [
        {"guidance": scale} | judged(evaluation, wanted, evaluation.draw(wanted, Sampling(guidance_scale=scale)))
        for scale in evaluation.config["guidance_scales"]
    ]


def steps(evaluation: Evaluation, wanted: list[Wanted]) -> list[dict]:
    wanted = wanted[: evaluation.config["sweep_samples"]]
    return [
        {"steps": count} | judged(evaluation, wanted, evaluation.draw(wanted, Sampling(steps=count)))
        for count in evaluation.config["steps"]
    ]
