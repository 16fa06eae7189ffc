"""The same runs through diffusers' schedulers as they are shipped, with their float32 tables."""

import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from .reference import Gaussian, grid


def sample(config: dict, solver: str, spacing: str, n: int, x: np.ndarray, eta: float = 0.0, noise=None):
    known = dict(config)
    if solver == "ddim" and spacing in ("leading", "trailing"):
        for field in ("lambda_min_clipped", "final_sigmas_type", "solver_type"):
            known.pop(field, None)
        scheduler = DDIMScheduler(**known, clip_sample=False, timestep_spacing=spacing)
        scheduler.set_timesteps(n)
    else:
        known.pop("set_alpha_to_one", None)
        karras = spacing == "karras"
        scheduler = DPMSolverMultistepScheduler(
            **known,
            solver_order=1 if solver == "ddim" else 2,
            use_karras_sigmas=karras,
            timestep_spacing="linspace" if karras else spacing,
        )
        scheduler.set_timesteps(n)
        scheduler.set_begin_index(0)  # equal timesteps at the start would be taken for later ones
    model = Gaussian(config)
    # Where karras timesteps are fractional, diffusers cuts them to whole numbers; the network here sees them whole.
    times, _ = grid(config, solver, spacing, n)
    fractional = spacing == "karras" and config["beta_schedule"] == "squaredcos_cap_v2"
    x = torch.from_numpy(x)
    for i, t in enumerate(scheduler.timesteps):
        output = torch.from_numpy(model(x.numpy(), times[i] if fractional else int(t)))
        kwargs = {"eta": eta, "variance_noise": torch.from_numpy(noise[i])} if eta > 0 else {}
        x = scheduler.step(output, t, x, **kwargs).prev_sample.double()
    times = times if fractional else scheduler.timesteps.double().numpy()
    return times, x.numpy()
