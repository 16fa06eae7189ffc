"""Judges a converted model from its shards, and writes what was found.

    python -m training.evaluate.judges                                              # once: trains the judges
    python -m training.evaluate --manifest www/models/default/manifest.json         # measures; goes on where it stopped
    python -m training.evaluate.card                                                # docs/model-card.md and .json

On a processor samples are drawn by --threads processes of one thread each.

Results go to evaluation/<revision>/ in the working folder: results.json, contact-sheet.png, neighbours.png.
"""

import argparse
import fcntl
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from training import manifest as shards
from training import settings
from training.evaluate import (
    costs,
    damage,
    evaluation,
    fidelity,
    likeness,
    networks,
    preset,
    prompts,
    reconstructions,
    sheets,
    storage,
    sweeps,
)
from training.evaluate.sampler import Samples


class Results:
    """results.json: one entry a measure, written as soon as it is known, also by two processes at once."""

    def __init__(self, folder: Path, again: list[str], wanted: list[str] | None, report: Callable[[str], None]):
        self.path, self.wanted, self.report = folder / "results.json", wanted, report
        folder.mkdir(parents=True, exist_ok=True)
        self.again = set(again)

    @property
    def content(self) -> dict:
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def add(self, **entries) -> None:
        with open(self.path.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            settings.write_json(self.path, self.content | entries)

    def measure(self, name: str, function: Callable[[], dict | list]) -> None:
        if (name in self.content and name not in self.again) or (self.wanted and name not in self.wanted):
            return
        start = time.monotonic()
        result = function()
        seconds = round(time.monotonic() - start, 1)
        self.add(**{name: {"seconds": seconds, "result": result}})
        self.report(f"{name}: {seconds} s")


MEASURES = (
    "costs reconstruction real_pictures newcomers grid frechet diversity memorisation synonyms tones frechet_reconstructed "
    "converged guidance steps storage damage"
).split()


def parse() -> argparse.Namespace:
    options = preset.parser(__doc__)
    options.add_argument("--manifest", type=Path, required=True, help="manifest.json of the model to judge")
    options.add_argument("--source", type=Path, help="the exported folder that it was converted from, for storage types")
    options.add_argument("--only", nargs="+", choices=MEASURES, metavar="MEASURE", help=f"some of {', '.join(MEASURES)}")
    options.add_argument("--again", nargs="+", choices=MEASURES, default=[], metavar="MEASURE", help="measure anew")
    options.add_argument("--samples", type=int, help="of the grid of common concepts and styles (default: the preset's)")
    options.add_argument("--scale", type=float, default=1.0, help="multiplies the number of samples of every other measure")
    options.add_argument("--tenstep", type=Path, help="the command-line tool, to count operations as the engine does")
    options.add_argument("--json", action="store_true", help="print the results as JSON in the end")
    return options.parse_args()


def scaled(config: dict, options: argparse.Namespace) -> dict:
    counts = ("sweep_samples", "converged_samples", "storage_samples")
    config = config | {name: max(4, round(config[name] * options.scale)) for name in counts}
    return config | {"grid_samples": options.samples or config["grid_samples"]}


def main() -> None:
    options = parse()
    config = scaled(preset.read(options)["measure"], options)
    on_processor = options.device == "cpu"
    settings.seed_everything(0, 1 if on_processor else options.threads)
    torch.set_grad_enabled(False)
    revision = shards.read(options.manifest)["revision"]
    folder = options.root / "evaluation" / revision

    def report(line: str) -> None:
        settings.report(options.root, "evaluate", line)

    judged = evaluation.load(options.manifest, options.root, config, options.device, report)
    judged.processes = options.threads if on_processor else 1
    results = Results(folder, options.again, options.only, report)
    results.add(revision=revision, config=config, preset=options.preset, judges=judged.judges)

    results.measure("costs", lambda: costs.measure(judged.networks, options.manifest, options.tenstep))
    results.measure("reconstruction", lambda: reconstructions.measure(judged))
    results.measure("real_pictures", lambda: fidelity.real_pictures(judged))
    results.measure("newcomers", lambda: newcomers(judged, folder))

    wanted = judged.grid()

    @functools.cache
    def samples() -> Samples:
        return grid_samples(judged, wanted, folder)

    results.measure("grid", lambda: fidelity.grid(judged, wanted, samples()))
    results.measure("frechet", lambda: likeness.frechet_distances(judged, samples().images))
    results.measure("diversity", lambda: likeness.diversity(judged, wanted, samples()))
    results.measure("memorisation", lambda: likeness.memorisation(judged, wanted, samples()))
    results.measure("synonyms", lambda: fidelity.synonyms(judged))
    results.measure("tones", lambda: fidelity.tones(judged))
    results.measure("frechet_reconstructed", lambda: likeness.reconstructed(judged))
    results.measure("converged", lambda: sweeps.converged(judged, wanted))
    results.measure("guidance", lambda: sweeps.guidance(judged, wanted))
    results.measure("steps", lambda: sweeps.steps(judged, wanted))
    if options.source:
        source_model, source = networks.load_folder(options.source)
        source_model.to(options.device)
        results.measure("storage", lambda: storage.measure(judged, source, wanted))
        results.measure("damage", lambda: tensor_damage(judged, source_model, source))
    if options.json:
        print(json.dumps(results.content, indent=1, ensure_ascii=False))


def grid_samples(judged: evaluation.Evaluation, wanted: list[evaluation.Wanted], folder: Path) -> Samples:
    """Drawn once for a revision and kept: everything else is measured on these."""
    path = folder / "samples.pt"
    if path.exists():
        saved = torch.load(path)
        if saved["prompts"] == [one.prompt for one in wanted]:
            return Samples(saved["latents"], saved["images"].numpy())
    samples = judged.draw(wanted)
    torch.save(
        {
            "prompts": [one.prompt for one in wanted],
            "latents": samples.latents,
            "images": torch.from_numpy(samples.images),
        },
        path,
    )
    return samples


def newcomers(judged: evaluation.Evaluation, folder: Path) -> dict:
    result, wanted, samples, hit = fidelity.newcomers(judged)
    captions = [one.prompt for one in prompts.read(prompts.NEWCOMERS)]
    sheets.contact_sheet(captions, samples.images, hit).save(folder / "contact-sheet.png")
    shown = np.arange(0, len(wanted), 2)
    near = likeness.neighbours(judged, samples.images[shown])
    sheets.neighbour_sheet([captions[i] for i in shown], samples.images[shown], near).save(folder / "neighbours.png")
    return result


def tensor_damage(judged: evaluation.Evaluation, model: networks.Networks, source: networks.Tensors) -> dict:
    """What each tensor's storage costs, and what is gained by those that ship as f16."""
    rows = damage.measure(model, source, judged.known, judged.config["damage_samples"])
    shipped = {
        f"{component['name']}/{tensor['name'].removeprefix('text_model.')}": tensor["dtype"]
        for component in judged.networks.manifest["components"]
        for tensor in component["tensors"]
    }
    return damage.summary(rows, [row for row in rows if shipped.get(row["tensor"]) == "f16"])


if __name__ == "__main__":
    main()
