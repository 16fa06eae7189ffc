"""`python -m training.evaluate.damage <exported folder>`: which tensors int8 would hurt, and which to keep as f16.

Each large tensor alone is stored as int8 and as f16, and the relative error of one guided evaluation (of noised real
pictures at three timesteps) or of one decode is measured. Errors of different tensors are independent, so their squares
add up: the tensors that avoid most of that sum for each byte are kept as f16, as long as the bytes reach. The file that
is written is what `tenstep convert --dtype int8 --storage FILE` takes.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training import settings
from training.evaluate import networks, pictures, preset, sampler, stored
from training.evaluate.networks import Networks
from training.images import to_sample

TIMESTEPS = (950, 500, 100)
MANIFEST_BYTES = 400_000  # with the tokenizer's words; the measure of a converted model counts the file


@torch.no_grad()
def measure(model: Networks, source: dict, known: pictures.Pictures, count: int) -> list[dict]:
    """One row a large tensor, the worst first. `model` holds the weights of `source`, and holds them again afterwards."""
    shown = np.random.default_rng(0).choice(known.training, size=count, replace=False)
    latents = model.encode(to_sample(known.images[shown]).to(model.device))
    prompts = [known.records[index]["label"] for index in shown] + [""] * count
    rows = []
    for component, (module, output) in parts(model, prompts, latents).items():
        parameters = {name.removeprefix("text_model."): p for name, p in module.named_parameters()}
        clean = output()
        for full_name, values in source[component].items():
            if not stored.is_large(values):
                continue
            name = full_name.removeprefix("text_model.")
            row = {"tensor": f"{component}/{name}", "elements": values.size}
            for dtype in ("int8", "f16"):
                fill(parameters[name], stored.roundtrip(values, dtype))
                row[dtype] = relative_error(output(), clean)
            fill(parameters[name], values)
            row["extra_bytes"] = stored.stored_bytes(values, "f16") - stored.stored_bytes(values, "int8")
            rows.append(row)
    return sorted(rows, key=lambda row: -row["int8"])


def parts(model: Networks, prompts: list[str], latents: torch.Tensor) -> dict[str, tuple[nn.Module, Callable]]:
    """Each component's module, and an output that its rounding changes. `prompts` are those of the latents, and then as many empty ones."""
    alphas = model.scheduler().alphas_cumprod
    noise = sampler.noise(model.latent_shape, list(range(len(latents)))).to(model.device)

    def evaluation() -> torch.Tensor:
        embeds, outputs = model.prompt_embeds(prompts), []
        for timestep in TIMESTEPS:
            x_t = alphas[timestep].sqrt() * latents + (1 - alphas[timestep]).sqrt() * noise
            copies = torch.cat([x_t, x_t]).contiguous(memory_format=networks.layout(model.device))
            cond, uncond = model.unet(copies, timestep, encoder_hidden_states=embeds).sample.chunk(2)
            outputs.append(uncond + model.guidance_scale * (cond - uncond))
        return torch.stack(outputs)

    return {
        "text_encoder": (model.text_encoder, evaluation),
        "unet": (model.unet, evaluation),
        "vae_decoder": (model.autoencoder, lambda: model.decode(latents)),
    }


def relative_error(output: torch.Tensor, clean: torch.Tensor) -> float:
    return float(f"{((output - clean).norm() / clean.norm()).item():.3e}")


def fill(parameter: torch.nn.Parameter, values: np.ndarray) -> None:
    parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))


def keep_f16(rows: list[dict], spare_bytes: int) -> list[dict]:
    """The rows to keep as f16: most squared error avoided for each byte first."""
    chosen = []
    for row in sorted(rows, key=lambda row: -(row["int8"] ** 2 - row["f16"] ** 2) / row["extra_bytes"]):
        if row["int8"] > row["f16"] and row["extra_bytes"] <= spare_bytes:
            chosen.append(row)
            spare_bytes -= row["extra_bytes"]
    return chosen


def summary(rows: list[dict], kept: list[dict]) -> dict:
    """The error that all of a component's tensors add up to, as int8 and with what is kept."""

    def total(some: list[dict], component: str) -> float:
        own = [row["int8"] for row in some if row["tensor"].startswith(component + "/")]
        return float(f"{sum(error * error for error in own) ** 0.5:.3e}")

    components = sorted({row["tensor"].split("/")[0] for row in rows})
    rest = [row for row in rows if row not in kept]
    return {
        "tensors": len(rows),
        "kept_f16": len(kept),
        "extra_bytes": sum(row["extra_bytes"] for row in kept),
        "error_int8": {component: total(rows, component) for component in components},
        "error_kept": {component: total(rest, component) for component in components},
        "worst": rows[:10],
    }


def main() -> None:
    options = preset.parser(__doc__)
    options.add_argument("folder", type=Path, help="what training.export wrote")
    options.add_argument("--output", type=Path, required=True, help="the storage file for tenstep convert")
    options.add_argument("--limit", type=int, default=12_000_000, help="bytes of all that ships (default: 12,000,000)")
    options = options.parse_args()
    config = preset.read(options)["measure"]
    settings.seed_everything(0, options.threads)
    model, source = networks.load_folder(options.folder)
    rows = measure(model.to(options.device), source, pictures.read(options.root), config["damage_samples"])
    spare = options.limit - MANIFEST_BYTES - stored.total_bytes(source, "int8")
    kept = keep_f16(rows, spare)
    options.output.write_text(json.dumps({row["tensor"]: "f16" for row in kept}, indent=1) + "\n")
    for row in rows[:20]:
        print(f"{row['int8']:.2e} int8 {row['f16']:.2e} f16 {row['extra_bytes']:>8} bytes  {row['tensor']}")
    found = summary(rows, kept)
    print(f"{found['kept_f16']} of {found['tensors']} tensors kept as f16 for {found['extra_bytes']} bytes")
    print(f"error, all int8: {found['error_int8']}, with these kept: {found['error_kept']}")


if __name__ == "__main__":
    main()
