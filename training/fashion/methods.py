"""`python -m training.fashion.methods --tenstep PATH`: every method of the crate on the benchmark, by Frechet distance.

Each method's coefficients come from `tenstep plan`; all start from the same noise. Writes a row a method and budget into
methods.json of the working folder as it goes, and starts where it was stopped.
"""

import json
import tempfile

import torch

from training import sampling_plan, settings
from training.evaluate import accuracy, frechet
from training.evaluate.frechet import Gaussian
from training.evaluate.sampler import noise
from training.fashion import data
from training.fashion.classifier import Classifier
from training.fashion.evaluate import BATCH, as_pixels, load, look
from training.fashion.options import read
from training.fashion.unet import Network

SCHEDULE = "trailing"


def samples(network: Network, plan: dict, count: int) -> torch.Tensor:
    """f32[count, 1, 28, 28] in [-1, 1], classes in turn."""
    batches = []
    for first in range(0, count, BATCH):
        size = min(BATCH, count - first)
        classes = torch.arange(first, first + size) % len(data.CLASSES)

        def evaluate(sample: torch.Tensor, timestep: float, classes=classes) -> torch.Tensor:
            return network(sample.contiguous(memory_format=torch.channels_last), torch.tensor(timestep), classes)

        latents = noise((4, 14, 14), list(range(first, first + size)))
        batches.append(data.to_pixels(sampling_plan.run(plan, evaluate, latents, seed=first)))
    return torch.cat(batches)


def scheduler_config(config: dict) -> dict:
    return {
        "num_train_timesteps": config["num_train_timesteps"], "beta_start": config["beta_start"],
        "beta_end": config["beta_end"], "beta_schedule": "linear", "prediction_type": "v_prediction",
    }  # fmt: skip


def main() -> None:
    options = settings.parser(__doc__)
    options.add_argument("--tenstep", required=True, help="the built command")
    options.add_argument("--samples", type=int, help="how many a row (default: the preset's)")
    options.add_argument("--steps", default="5,6,8,10,15,20,50", help="budgets of evaluations, with commas between")
    options.add_argument("--solvers", help="methods, with commas between (default: all)")
    options = options.parse_args()
    presets = read(options)
    config = presets["evaluate"]
    count = options.samples or config["samples"]
    budgets = [int(steps) for steps in options.steps.split(",")]
    settings.seed_everything(0, options.threads)
    torch.set_grad_enabled(False)
    network, state = load(Network(presets["unet"]), options.root / "unet.ckpt")
    classifier, _ = load(Classifier(presets["classifier"]["width"]), options.root / "classifier.ckpt")
    reference = Gaussian.of(look(classifier, as_pixels(data.read(options.root, "train").images))[0])
    classes = torch.arange(count) % len(data.CLASSES)

    path = options.root / "methods.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    done = {(row["solver"], row["budget"], row["frechet"]["n"]) for row in rows}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(scheduler_config(presets["unet"]), file)
        file.flush()
        names = options.solvers.split(",") if options.solvers else [s["name"] for s in sampling_plan.solvers(options.tenstep)]
        for name in names:
            for budget in budgets:
                if (name, budget, count) in done:
                    continue
                plan = sampling_plan.plan(options.tenstep, name, SCHEDULE, budget, file.name)
                if plan is None:  # adaptive, or its start takes more
                    continue
                features, scores = look(classifier, samples(network, plan, count))
                row = {
                    "solver": name, "budget": budget, "evaluations": plan["evaluations"],
                    "frechet": frechet.with_interval(features, reference, config["resamples"]).as_json(),
                    "class_accuracy": accuracy.share(scores.argmax(axis=1) == classes.numpy())["value"],
                }  # fmt: skip
                rows.append(row)
                made = {"schedule": SCHEDULE, "guidance_scale": 1.0, "images_seen": state["images_seen"], "rows": rows}
                path.write_text(json.dumps(made, indent=1) + "\n")
                settings.report(options.root, "methods", json.dumps(row))


if __name__ == "__main__":
    main()
