"""`python -m training.export <folder>`: writes the model as a diffusers folder, from the averaged weights.

Besides what diffusers knows there are three small files of our own: preview.json (latents to RGBA by a linear map),
image.json (what the four channels mean) and training.json (how this model came to be).
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler
from safetensors.torch import save_file

from training import autoencoder, checkpoint, parallel, settings, unet
from training.dataset.packages import PACKAGES
from training.images import read_images, read_records, to_sample
from training.tokenizer import WordTokenizer


def fit_preview(latents: torch.Tensor, images: np.ndarray) -> dict:
    """Least squares from a latent to the mean of the 4x4 pixels it stands for: premultiplied RGBA in [-1, 1]."""
    targets = torch.cat(
        [torch.nn.functional.avg_pool2d(to_sample(images[i : i + 256]), 4) for i in range(0, len(images), 256)]
    )
    inputs = latents.permute(0, 2, 3, 1).reshape(-1, latents.shape[1]).double()
    targets = targets.permute(0, 2, 3, 1).reshape(-1, 4).double()
    with_bias = torch.cat([inputs, torch.ones(len(inputs), 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(with_bias, targets).solution
    return {"weight": solution[:-1].T.tolist(), "bias": solution[-1].tolist()}


def git_commit() -> str | None:
    found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=settings.HERE, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def save_text_encoder(text_encoder, folder: Path) -> None:
    """With the parameter names of published checkpoints: transformers 5 writes them without "text_model."."""
    text_encoder.config.architectures = ["CLIPTextModel"]
    text_encoder.config.save_pretrained(folder)
    tensors = {
        name if name.startswith("text_model.") else f"text_model.{name}": tensor.detach().contiguous()
        for name, tensor in text_encoder.state_dict().items()
        if not name.endswith("position_ids")
    }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def export(options: argparse.Namespace, folder: Path) -> None:
    preset = settings.read(options)
    root = options.root
    tokenizer = WordTokenizer.from_folder(root / "tokenizer")
    network, text_encoder = unet.modules(preset, tokenizer.vocab_size)
    spent, seen, step = 0.0, 0, 0
    if (root / "unet.ckpt").exists():
        state = checkpoint.load(root / "unet.ckpt")
        parallel.scatter(state["average"], [network, text_encoder])
        spent, seen, step = state["spent"], state["images_seen"], state["step"]
    if (root / "vae").exists():
        vae = AutoencoderTiny.from_pretrained(root / "vae")
    else:
        vae = autoencoder.build(preset["autoencoder"])

    records, images = read_records(root), read_images(root)
    shown = images[:: max(1, len(images) // 1000)]
    preview = fit_preview(autoencoder.encode_all(vae.eval(), shown, autocast=False), shown)

    folder.mkdir(parents=True)
    network.to(memory_format=torch.contiguous_format).save_pretrained(folder / "unet")
    vae.to(memory_format=torch.contiguous_format).save_pretrained(folder / "vae")
    (folder / "text_encoder").mkdir()
    save_text_encoder(text_encoder, folder / "text_encoder")
    shutil.copytree(root / "tokenizer", folder / "tokenizer")
    config = preset["unet"]
    DPMSolverMultistepScheduler(
        num_train_timesteps=config["num_train_timesteps"],
        beta_start=config["beta_start"],
        beta_end=config["beta_end"],
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        final_sigmas_type="zero",
        solver_order=2,
    ).save_pretrained(folder / "scheduler")
    # diffusers writes its default as -Infinity, which is not JSON; without the key the default is the same.
    scheduler_config = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    scheduler_config.pop("lambda_min_clipped")
    write_json(folder / "scheduler/scheduler_config.json", scheduler_config)
    write_json(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": network.config["_diffusers_version"],
            "feature_extractor": [None, None],
            "requires_safety_checker": False,
            "safety_checker": [None, None],
            "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
            "text_encoder": ["transformers", "CLIPTextModel"],
            "tokenizer": ["tenstep", "TenstepWordTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderTiny"],
        },
    )
    write_json(folder / "preview.json", preview)
    write_json(folder / "image.json", {"channels": "rgba", "alpha": "premultiplied", "range": [-1, 1]})
    write_json(
        folder / "training.json",
        {
            "preset": options.preset,
            "config": preset,
            "seed": config["seed"],
            "git_commit": git_commit(),
            "data": {
                "packages": {name: list(pin) for name, pin in PACKAGES.items()},
                "images": len(images),
                "held_out": sum(record["held_out"] for record in records),
                "images_sha256": (root / "images.sha256").read_text().strip(),
            },
            "steps": step,
            "images_seen": seen,
            "minutes": round(spent / 60, 1),
            "hardware": f"{processor()}, {os.cpu_count()} cores, shared",
            "torch": torch.__version__,
        },
    )


def main() -> None:
    options = settings.parser(__doc__)
    options.add_argument("folder", type=Path, help="where to write; replaced if it is there")
    options = options.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    partial = options.folder.with_name(options.folder.name + ".partial")
    old = options.folder.with_name(options.folder.name + ".old")
    for path in (partial, old):
        shutil.rmtree(path, ignore_errors=True)
    export(options, partial)
    # Two renames: whoever reads the folder sees the old model or the new one, never a mixture.
    if options.folder.exists():
        os.replace(options.folder, old)
    os.replace(partial, options.folder)
    shutil.rmtree(old, ignore_errors=True)
    seen = json.loads((options.folder / "training.json").read_text())["images_seen"]
    settings.report(options.root, "export", f"{options.folder.name}: after {seen} images")


if __name__ == "__main__":
    main()
