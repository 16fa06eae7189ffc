"""`python -m training.smoke`: every stage once, tiny, in about a minute on two cores; exit code 0 if all is well.

Checked: the losses fall, two runs of the same seed and number of steps give the same bytes, the export loads and
samples, words of no caption lie among their neighbours, the last fine-tuning is what is exported, and no path of this
machine is in it. Packages are taken from the working folder of TENSTEP_TRAINING_ROOT if there is one, and fetched otherwise.
"""

import json
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny

from training import autoencoder, checkpoint, export, reward, short_prompts, tokenizer, unet
from training.dataset import __main__ as dataset
from training.sample import Model
from training.word_vectors import WordTable

STEPS = {"autoencoder": 40, "unet": 60}
TUNING_STEPS = 3


def stage(module, root: Path, *arguments: str) -> None:
    module.main(["--preset", "smoke", "--root", str(root), "--threads", "1", *arguments])


def encoder_of(root: Path) -> dict[str, torch.Tensor]:
    return AutoencoderTiny.from_pretrained(root / "vae").encoder.state_dict()


def train(root: Path) -> None:
    stage(autoencoder, root, "--steps", str(STEPS["autoencoder"]))
    stage(unet, root, "--steps", str(STEPS["unet"]))
    encoder = encoder_of(root)
    stage(autoencoder, root, "--decoder-only", "--steps", "5")
    if any(not torch.equal(encoder[name], tensor) for name, tensor in encoder_of(root).items()):
        raise SystemExit("the decoder's own stage moved the encoder")
    for tuning in (reward, short_prompts):
        stage(tuning, root, "--steps", str(TUNING_STEPS))
    stage(export, root, str(root / "out"))


def check_fine_tunings(root: Path) -> None:
    before, last = (checkpoint.load(root / f"{stage}.ckpt")["average"] for stage in export.FINE_TUNINGS)
    moved = {name.split(".")[0] for name, tensor in last.items() if not torch.equal(tensor, before[name])}
    if moved != {"text_encoder"}:
        raise SystemExit(f"short prompts moved {sorted(moved)}, not the text encoder")
    exported = Model(root / "out").text_encoder.state_dict()
    norm = "final_layer_norm.weight"
    if not torch.equal(exported[norm], last[f"text_encoder.{norm}"]):
        raise SystemExit("what is exported is not what the last fine-tuning made")
    training = json.loads((root / "out" / "training.json").read_text())
    if not training.keys() >= set(export.FINE_TUNINGS):
        raise SystemExit(f"provenance knows of {sorted(training)}, not of all of {export.FINE_TUNINGS}")


def check_losses(root: Path) -> None:
    for name in STEPS:
        lines = re.findall(rf"{name}: step \d+ .*loss ([\d.]+)", (root / "STATUS.txt").read_text())
        losses = [float(loss) for loss in lines]
        if len(losses) < 2 or not losses[-1] < 0.95 * losses[0]:
            raise SystemExit(f"{name}: the loss does not fall: {losses}")


def check_export(root: Path, again: Path) -> None:
    for path in sorted((root / "out").rglob("*")):
        if path.suffix in (".safetensors", ".json") and path.name != "training.json":
            if path.read_bytes() != (again / "out" / path.relative_to(root / "out")).read_bytes():
                raise SystemExit(f"{path.name} differs between two runs of the same seed")
        if path.suffix == ".json" and str(root) in path.read_text():
            raise SystemExit(f"{path.name} holds a path of this machine")
    model, table = Model(root / "out"), WordTable.load(root / "word_table.npz")
    rows = model.text_encoder.embeddings.token_embedding.weight.detach().numpy()
    trained = table.neighbours[:, 0] == np.arange(len(rows))
    if np.array_equal(rows[trained], table.vectors[trained]):
        raise SystemExit("no row of the word table was trained")
    if trained.all() or not np.allclose(rows, table.settled(rows), atol=1e-6):
        raise SystemExit("words of no caption are not where their neighbours are")
    pictures = model.sample(["red apple, noto", "puppy"], steps=3, guidance_scale=3.0, seeds=[0, 1])
    if pictures.shape != (2, 64, 64, 4) or pictures.dtype != np.uint8:
        raise SystemExit(f"samples are {pictures.dtype}{pictures.shape}")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root, again = Path(folder) / "first", Path(folder) / "again"
        again.mkdir(parents=True)
        root.mkdir()
        packages = Path(os.environ.get("TENSTEP_TRAINING_ROOT", folder)) / "packages"
        if packages.is_dir():
            (root / "packages").symlink_to(packages.resolve())
        stage(dataset, root)
        stage(tokenizer, root)
        for path in root.iterdir():
            if path.name != "STATUS.txt":
                (again / path.name).symlink_to(path)
        train(root)
        train(again)
        check_losses(root)
        check_export(root, again)
        check_fine_tunings(root)
        stage(unet, again, "--steps", str(STEPS["unet"]))
        if checkpoint.load(again / "unet.ckpt")["step"] != STEPS["unet"]:
            raise SystemExit("a stage that is done goes on")
        stage(autoencoder, again, "--steps", "1")
        stage(unet, again, "--steps", str(STEPS["unet"]))
        if len(list(again.glob("latents-*.pt"))) != 2:
            raise SystemExit("the latents of one autoencoder are taken for another's")
    print("training: every stage runs")


if __name__ == "__main__":
    main()
