"""Samples of a model by diffusers' own schedulers, in batches, each picture by its own seed.

Guidance is classifier-free: uncond + scale * (cond - uncond). x_T of a picture depends on its seed alone, so two models
or two numbers of steps that are given the same seeds start from the same noise. All arithmetic is f32: bfloat16 rounds
more coarsely than the storage types that are compared here, and is no quicker at these sizes.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import diffusers
import numpy as np
import torch

from training.evaluate.networks import Networks, layout
from training.images import to_bytes


BATCH, BATCH_ON_GPU = 25, 500


@dataclass(frozen=True)
class Sampling:
    steps: int = 10
    guidance_scale: float | None = None  # None: the manifest's
    scheduler: type = diffusers.DPMSolverMultistepScheduler


@dataclass
class Samples:
    latents: torch.Tensor  # f32[N, C, h, w]
    images: np.ndarray  # uint8[N, H, W, 4], premultiplied


def noise(shape: tuple[int, ...], seeds: list[int]) -> torch.Tensor:
    """f32[len(seeds), *shape]"""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def sample(
    networks: Networks,
    prompts: list[str],
    seeds: list[int],
    sampling: Sampling = Sampling(),
    progress: Callable[[str], None] = lambda line: None,
    processes: int = 1,
) -> Samples:
    size = BATCH if networks.device.type == "cpu" else BATCH_ON_GPU

    def draw(first: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = slice(first, first + size)
        x_t = noise(networks.latent_shape, seeds[chosen]).to(networks.device)
        batch = sample_latents(networks, prompts[chosen], x_t, sampling)
        return batch.cpu().numpy(), decode(networks, batch)

    latents, images, start, last = [], [], time.monotonic(), 0.0
    firsts = range(0, len(prompts), size)
    for first, (batch, pictures) in zip(firsts, _by_processes(draw, firsts, processes), strict=True):
        latents.append(torch.from_numpy(batch))
        images.append(pictures)
        spent = time.monotonic() - start
        if spent > last + 30:
            done = min(first + size, len(prompts))
            progress(f"{done} of {len(prompts)} samples, {done / spent:.1f} a second")
            last = spent
    return Samples(torch.cat(latents), np.concatenate(images))


_task: Callable | None = None


def _by_processes(task: Callable, arguments: Iterable, processes: int) -> Iterator:
    """What `task` gives for each argument, in order, from forked processes, which have its networks without a copy.

    On a processor, one process a core is much quicker than as many threads, which meet in every layer. This process must
    not have used threads of its own.
    """
    if processes == 1:
        yield from map(task, arguments)
        return
    global _task
    _task = task
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        yield from pool.imap(_run_task, arguments)


def _run_task(argument):
    return _task(argument)


@torch.no_grad()
def sample_latents(networks: Networks, prompts: list[str], x_t: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    scale = networks.guidance_scale if sampling.guidance_scale is None else sampling.guidance_scale
    guided = scale != 1
    embeds = networks.prompt_embeds([*prompts, *([""] * len(prompts) if guided else [])])
    scheduler = networks.scheduler(sampling.scheduler, **_extra(sampling.scheduler))
    scheduler.set_timesteps(sampling.steps)
    latents = x_t * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        copies = torch.cat([latents] * (2 if guided else 1))
        model_input = scheduler.scale_model_input(copies, timestep).contiguous(memory_format=layout(copies.device))
        output = networks.unet(model_input, timestep, encoder_hidden_states=embeds).sample
        if guided:
            conditional, unconditional = output.chunk(2)
            output = unconditional + scale * (conditional - unconditional)
        latents = scheduler.step(output, timestep, latents).prev_sample
    return latents


def _extra(scheduler: type) -> dict:
    """DDIM clips its estimate of the picture unless told otherwise, which is wrong for latents."""
    return {"clip_sample": False, "set_alpha_to_one": True} if scheduler is diffusers.DDIMScheduler else {}


def decode(networks: Networks, latents: torch.Tensor) -> np.ndarray:
    """uint8[N, H, W, 4]"""
    return to_bytes(networks.decode(latents.contiguous(memory_format=layout(latents.device))))
