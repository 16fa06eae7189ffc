"""`python -m training.fashion.methods --tenstep PATH`: every method of the crate on the benchmark, by Frechet distance.

Each method's coefficients come from `tenstep plan`; all start from the same noise. Writes a row a method and budget into
methods.json of the working folder as it goes, budget after budget, and starts where it was stopped. Methods that draw
noise draw it on the device, a batch at once, so their rows differ a little from device to device.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import torch

from training import sampling_plan, settings
from training.evaluate import accuracy, frechet, networks, preset
from training.evaluate.first_outputs import FirstOutputs
from training.evaluate.frechet import Gaussian
from training.evaluate.networks import layout
from training.evaluate.sampler import noise
from training.fashion import data
from training.fashion.classifier import Classifier
from training.fashion.evaluate import as_pixels, batches, load, look
from training.fashion.options import read
from training.fashion.unet import Network
from training.whole_file import replacing

SCHEDULE = "trailing"


def samples(network: Network, plan: dict, latents: torch.Tensor, first_outputs: FirstOutputs) -> torch.Tensor:
    """Unit noise f32[N, 4, 14, 14] -> f32[N, 1, 28, 28] in [-1, 1], classes in turn."""
    device, drawn = latents.device, []
    for some in batches(len(latents), device.type):
        classes = torch.arange(some.start, some.stop, device=device) % len(data.CLASSES)

        def evaluate(sample: torch.Tensor, timestep: float, classes=classes) -> torch.Tensor:
            # Made on the device: a copy would wait for all that the device has to do.
            at = torch.full((), timestep, device=device)
            return network(sample.contiguous(memory_format=layout(device)), at, classes)

        x_t = latents[some.start : some.stop]
        evaluate = first_outputs.of(some.start, plan, evaluate)
        drawn.append(data.to_pixels(sampling_plan.run(plan, evaluate, x_t, seed=some.start)))
    return torch.cat(drawn)


def behaviour(plan: dict) -> tuple[float, ...]:
    """Where a plan leads a network in closed form: the same only for methods that are the same, as `euler` and `ddim` are."""
    x = torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    end = sampling_plan.run(plan, lambda sample, timestep: torch.sin(3 * sample + timestep / 100), x, seed=0)
    return tuple(round(value, 6) for value in end.flatten().tolist())


def scheduler_config(config: dict) -> dict:
    return {
        "num_train_timesteps": config["num_train_timesteps"], "beta_start": config["beta_start"],
        "beta_end": config["beta_end"], "beta_schedule": "linear", "prediction_type": "v_prediction",
    }  # fmt: skip


def of_training_pictures(classifier: Classifier, root: Path, images_seen: int) -> Gaussian:
    """The features of the 60,000 pictures. Kept in the working folder: later runs need neither the pictures nor the time."""
    path = root / f"reference-{images_seen}.npz"
    if not path.exists():
        found = Gaussian.of(look(classifier, as_pixels(data.read(root, "train").images))[0])
        with replacing(path) as file:
            np.savez(file, mean=found.mean, covariance=found.covariance)
    with np.load(path) as kept:
        return Gaussian(kept["mean"], kept["covariance"])


def main() -> None:
    options = preset.parser(__doc__)
    options.add_argument("--tenstep", required=True, help="the built command")
    options.add_argument("--samples", type=int, help="how many a row (default: the preset's)")
    options.add_argument("--steps", default="5,6,8,10,15,20,50", help="budgets of evaluations, with commas between")
    options.add_argument("--solvers", help="methods, with commas between (default: all)")
    options.add_argument("--compile", action="store_true", help="compile the network first: a fifth quicker on a CPU")
    options = options.parse_args()
    presets = read(options)
    config = presets["evaluate"]
    count = options.samples or config["samples"]
    budgets = [int(steps) for steps in options.steps.split(",")]
    settings.seed_everything(0, options.threads)
    torch.set_grad_enabled(False)
    torch.backends.cudnn.benchmark = True  # every batch has the same shape
    network, state = load(Network(presets["unet"]), options.root / "unet.ckpt", options.device)
    if options.compile:
        network = networks.compiled(network)
    classifier, learned = load(Classifier(presets["classifier"]["width"]), options.root / "classifier.ckpt", options.device)
    reference = of_training_pictures(classifier, options.root, learned["images_seen"])
    classes = np.arange(count) % len(data.CLASSES)
    latents = noise((4, 14, 14), list(range(count))).to(options.device)

    first_outputs = FirstOutputs()
    path = options.root / "methods.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    done = {(row["solver"], row["budget"]): row for row in rows if row["frechet"]["n"] == count}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(scheduler_config(presets["unet"]), file)
        file.flush()
        names = options.solvers.split(",") if options.solvers else [s["name"] for s in sampling_plan.solvers(options.tenstep)]
        for budget in budgets:
            known: dict[tuple, dict] = {}
            for name in names:
                plan = sampling_plan.plan(options.tenstep, name, SCHEDULE, budget, file.name)
                if plan is None:  # adaptive, or its start takes more
                    continue
                if (name, budget) in done:
                    known[behaviour(plan)] = done[name, budget]
                    continue
                row = known.get(behaviour(plan), {}) | {"solver": name}
                if "frechet" not in row:
                    features, scores = look(classifier, samples(network, plan, latents, first_outputs))
                    distance = frechet.with_interval(features, reference, config["resamples"], device=options.device)
                    row |= {
                        "budget": budget, "evaluations": plan["evaluations"], "frechet": distance.as_json(),
                        "class_accuracy": accuracy.share(scores.argmax(axis=1) == classes)["value"],
                    }  # fmt: skip
                known[behaviour(plan)] = row
                rows.append(row)
                made = {"schedule": SCHEDULE, "guidance_scale": 1.0, "images_seen": state["images_seen"], "rows": rows}
                settings.write_json(path, made)
                settings.report(options.root, "methods", json.dumps(row))


if __name__ == "__main__":
    main()
