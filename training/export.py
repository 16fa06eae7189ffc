"""`python -m training.export <folder>`: writes the model as a diffusers folder, from the averaged weights.

Besides what diffusers knows there are three small files of our own: preview.json (latents to RGBA by a linear map),
image.json (what the four channels mean) and training.json (how this model came to be).
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler

from training import autoencoder, checkpoint, settings, unet
from training.dataset import held_out
from training.dataset.packages import GLOVE, PACKAGES
from training.images import read_images, read_records, to_sample
from training.tokenizer import WordTokenizer
from training.word_vectors import WordTable

# In their order.
FINE_TUNINGS = ("reward", "short_prompts")


def pictures_for_preview(records: list[dict], images: np.ndarray) -> np.ndarray:
    """About a thousand pictures, none of them held out."""
    trained = [index for index, record in enumerate(records) if not record["held_out"]]
    return images[trained[:: max(1, len(trained) // 1000)]]


def fit_preview(latents: torch.Tensor, images: np.ndarray) -> dict:
    """Least squares from a latent to the mean of the pixels it stands for: premultiplied RGBA in [-1, 1]."""
    size = images.shape[1] // latents.shape[-1]
    targets = torch.cat(
        [torch.nn.functional.avg_pool2d(to_sample(images[i : i + 256]), size) for i in range(0, len(images), 256)]
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


def hardware() -> str:
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{processor()}, {os.cpu_count()} cores, shared"


def save_network(network, folder: Path) -> None:
    """diffusers remembers in the config from which folder it read the weights: that says nothing to anybody else."""
    network.to(memory_format=torch.contiguous_format).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    write_json(folder / "config.json", {key: value for key, value in config.items() if key != "_name_or_path"})


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")


def scheduler(config: dict) -> DPMSolverMultistepScheduler:
    """The sampler that ships, by the preset's table of the UNet."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=config["num_train_timesteps"],
        beta_start=config["beta_start"],
        beta_end=config["beta_end"],
        beta_schedule="linear",
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        final_sigmas_type="zero",
        solver_order=2,
    )


def fine_tunings(root: Path) -> list[str]:
    """Those that ran to their end; what the last one made is exported."""
    ended = {stage: root / f"{stage}.json" for stage in FINE_TUNINGS if (root / f"{stage}.json").exists()}
    stages = list(ended)
    newest = max(stages, key=lambda stage: ended[stage].stat().st_mtime_ns, default=None)
    if stages and newest != stages[-1]:
        old = stages[-1]
        raise SystemExit(f"{newest} was run after {old}: remove {old}.json and {old}.ckpt, and run {old} again if it is wanted")
    return stages


def circumstances(name: str, preset: dict, stage: str) -> dict:
    """Under what a fine-tuning ran, which may be other than what the model before it was trained under."""
    return {
        "preset": name,
        "config": {table: numbers for table, numbers in preset.items() if table.startswith(stage)},
        "seed": preset[stage]["seed"],
        "git_commit": git_commit(),
        "hardware": hardware(),
        "torch": torch.__version__,
    }


def with_run(training: dict, stage: str, run: dict) -> dict:
    """What is said of a fine-tuned model: where it began with a converted one, the training that made that one counts.

    Earlier runs of the same stage stand under the run's "before".
    """
    before = run["before"] or training
    run = {name: value for name, value in run.items() if name != "before"}
    if stage in before:
        run["before"] = before[stage]
    return before | {stage: run}


def export(options: argparse.Namespace, folder: Path) -> None:
    preset = settings.read(options)
    root = options.root
    tokenizer = WordTokenizer.from_folder(root / "tokenizer")
    denoiser = unet.Denoiser(preset, tokenizer.vocab_size)
    state = checkpoint.load(root / "unet.ckpt") or {"spent": 0.0, "images_seen": 0, "step": 0, "initial": None}
    tunings = fine_tunings(root)
    last = checkpoint.load(root / f"{tunings[-1]}.ckpt") if tunings else state
    if "average" in last:
        denoiser.load_state_dict(last["average"])
    denoiser.text_encoder.embeddings.settle(WordTable.load(root / "word_table.npz"))
    if (root / "vae").exists():
        vae = AutoencoderTiny.from_pretrained(root / "vae")
    else:
        vae = autoencoder.build(preset["autoencoder"])

    records, images = read_records(root), read_images(root)
    shown = pictures_for_preview(records, images)
    preview = fit_preview(autoencoder.encode_all(vae.eval(), shown), shown)

    folder.mkdir(parents=True)
    save_network(denoiser.unet, folder / "unet")
    save_network(vae, folder / "vae")
    denoiser.text_encoder.save(folder / "text_encoder")
    shutil.copytree(root / "tokenizer", folder / "tokenizer")
    config = preset["unet"]
    scheduler(config).save_pretrained(folder / "scheduler")
    # diffusers writes its default as -Infinity, which is not JSON; without the key the default is the same.
    scheduler_config = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    scheduler_config.pop("lambda_min_clipped")
    write_json(folder / "scheduler/scheduler_config.json", scheduler_config)
    write_json(
        folder / "model_index.json",
        {
            "_class_name": "StableDiffusionPipeline",
            "_diffusers_version": diffusers.__version__,
            "feature_extractor": [None, None],
            "requires_safety_checker": False,
            "safety_checker": [None, None],
            "scheduler": ["diffusers", "DPMSolverMultistepScheduler"],
            "text_encoder": ["tenstep", "WordTableTextModel"],
            "tokenizer": ["tenstep", "TenstepWordTokenizer"],
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderTiny"],
        },
    )
    write_json(folder / "preview.json", preview)
    write_json(folder / "image.json", {"channels": "rgba", "alpha": "premultiplied", "range": [-1, 1]})
    training = {
        "preset": options.preset,
        "config": preset,
        "seed": config["seed"],
        "git_commit": git_commit(),
        "data": {
            "packages": {name: list(pin) for name, pin in PACKAGES.items()} | {GLOVE[0]: list(GLOVE[1:])},
            "images": len(images),
            "held_out": sum(record["held_out"] for record in records),
            "held_out_sha256": hashlib.sha256(held_out.LIST.read_bytes()).hexdigest(),
            "images_sha256": (root / "images.sha256").read_text().strip(),
        },
        "initial": state["initial"],
        "steps": state["step"],
        "images_seen": state["images_seen"],
        "minutes": round(state["spent"] / 60, 1),
        "hardware": hardware(),
        "torch": torch.__version__,
        "autoencoder": {
            stage: json.loads((root / f"{stage}.json").read_text())
            for stage in ("autoencoder", "decoder")
            if (root / f"{stage}.json").exists()
        },
    }
    for stage in tunings:
        training = with_run(training, stage, json.loads((root / f"{stage}.json").read_text()))
    write_json(folder / "training.json", training)


def main(arguments: list[str] | None = None) -> None:
    options = settings.parser(__doc__)
    options.add_argument("folder", type=Path, help="where to write; replaced if it is there")
    options = options.parse_args(arguments)
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
