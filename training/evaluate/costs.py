"""What the model costs: parameters, bytes, and floating-point operations (two a multiply-add)."""

import json
import subprocess
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from training.evaluate.networks import Networks


def measure(networks: Networks, manifest_path: Path, tenstep: Path | None) -> dict:
    manifest = networks.manifest
    bytes_by_component = {c["name"]: sum(shard["bytes"] for shard in c["shards"]) for c in manifest["components"]}
    parameters = {c["name"]: sum(_size(t["shape"]) for t in c["tensors"]) for c in manifest["components"]}
    return {
        "parameters": sum(parameters.values()),
        "parameters_by_component": parameters,
        "bytes": sum(bytes_by_component.values()) + manifest_path.stat().st_size,
        "bytes_by_component": bytes_by_component | {"manifest": manifest_path.stat().st_size},
    } | (by_crate(tenstep, manifest_path) if tenstep else by_torch(networks))


def _size(shape: list[int]) -> int:
    return int(torch.Size(shape).numel())


def by_crate(tenstep: Path, manifest_path: Path) -> dict:
    """As the engine counts them for itself."""
    command = [str(tenstep), "inspect", str(manifest_path), "--json"]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    info = json.loads(found.stdout)["info"]
    return {
        "gflop_evaluation": round(info["evaluationFlops"] / 1e9, 3),
        "gflop_decode": round(info["decodeFlops"] / 1e9, 3),
        "counted_by": "tenstep inspect",
    }


@torch.no_grad()
def by_torch(networks: Networks) -> dict:
    embeds = networks.prompt_embeds(["", ""])
    latents = torch.zeros(2, *networks.latent_shape, device=networks.device)
    with FlopCounterMode(display=False) as evaluation:
        networks.unet(latents, 500, encoder_hidden_states=embeds)
    with FlopCounterMode(display=False) as decode:
        networks.decode(latents[:1])
    return {
        "gflop_evaluation": round(evaluation.get_total_flops() / 1e9, 3),
        "gflop_decode": round(decode.get_total_flops() / 1e9, 3),
        "counted_by": "torch.utils.flop_counter",
    }
