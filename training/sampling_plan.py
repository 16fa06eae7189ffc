"""Applies a sampling plan of `tenstep plan --json` to a network in PyTorch: the crate's coefficients, our tensors."""

import json
import subprocess
from collections.abc import Callable

import numpy as np
import torch

Network = Callable[[torch.Tensor, float], torch.Tensor]


def solvers(tenstep: str) -> list[dict]:
    """What `tenstep solvers` lists."""
    return _asked([tenstep, "solvers", "--json"])["solvers"]


def plan(tenstep: str, solver: str, schedule: str, steps: int, scheduler_config: str) -> dict | None:
    """The plan for a budget of `steps` evaluations; None where the solver has none."""
    command = [tenstep, "plan", "--solver", solver, "--schedule", schedule, "--steps", str(steps), "--json"]
    return _asked([*command, "--scheduler-config", scheduler_config])


def plan_at(tenstep: str, solver: str, sigmas: list[float], scheduler_config: str) -> dict | None:
    """The plan over levels of sigma / alpha, falling, of which the last is where it ends."""
    command = [tenstep, "plan", "--solver", solver, "--sigmas", ",".join(map(str, sigmas)), "--json"]
    return _asked([*command, "--scheduler-config", scheduler_config])


def _asked(command: list[str]) -> dict | None:
    answer = subprocess.run(command, capture_output=True, text=True)
    if answer.returncode == 2 and "error[invalid-option]" in answer.stderr:
        return None
    if answer.returncode != 0:
        raise SystemExit(answer.stderr)
    return json.loads(answer.stdout)


class Noise:
    """Standard normals for each evaluation; those of overlapping spans of a Brownian path have its part in common."""

    def __init__(self, shape: tuple[int, ...], seed: int, device: str | torch.device = "cpu"):
        self.shape, self.generator = shape, torch.Generator(device).manual_seed(seed)
        self.before: tuple[list[float], torch.Tensor] | None = None

    def of(self, span: list[float] | None) -> torch.Tensor:
        drawn = torch.randn(self.shape, generator=self.generator, device=self.generator.device)
        if span is None:
            return drawn
        if self.before is not None and self.before[0][0] == span[0]:
            (start, middle), earlier = self.before
            part = (middle - start) / (span[1] - start)
            drawn = np.sqrt(part) * earlier + np.sqrt(1 - part) * drawn
        self.before = (span, drawn)
        return drawn


def run(plan: dict, network: Network, latents: torch.Tensor, seed: int) -> torch.Tensor:
    """Latents f32[B, C, h, w] of unit noise to samples. `network(sample, timestep)` gives its output, guided or not.

    Noise is drawn where the latents are: by the same seed a GPU draws other numbers than a processor.
    """
    samples, values = [latents * plan["initNoiseSigma"]], []
    noise = Noise(tuple(latents.shape), seed, latents.device)
    kept = 1 + max(term["back"] for step in plan["steps"] for term in step["update"] + step["correction"])
    for step in plan["steps"]:
        x = samples[0]
        output = network(step["modelInputScale"] * x, step["timestep"])
        if plan["thresholding"]:
            output = in_range(plan["thresholding"], step["denoised"], x, output)
        values.insert(0, step["modelValue"]["sample"] * x + step["modelValue"]["modelOutput"] * output)
        terms = step["update"] + step["correction"]
        drawn = noise.of(step["noiseSpan"]) if any(term["of"] == "noise" for term in terms) else None

        def combined(terms: list[dict]) -> torch.Tensor:
            of = {"sample": samples, "modelValue": values}
            return sum(t["coefficient"] * (drawn if t["of"] == "noise" else of[t["of"]][t["back"]]) for t in terms)

        if step["correction"]:
            samples[0] = combined(step["correction"])
        samples.insert(0, combined(step["update"]))
        del samples[kept:], values[kept:]
    return samples[0]


def in_range(thresholding: dict, denoised: dict, x: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """The output that would have led to the estimate of a clean sample which dynamic thresholding makes of `output`'s."""
    estimate = denoised["sample"] * x + denoised["modelOutput"] * output
    s = estimate.flatten(1).abs().quantile(thresholding["ratio"], dim=1)
    s = s.clamp(1, thresholding["sampleMaxValue"]).reshape(-1, *[1] * (x.dim() - 1))
    return (estimate.clamp(-s, s) / s - denoised["sample"] * x) / denoised["modelOutput"]
