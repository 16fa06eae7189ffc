"""`python -m training.evaluate.methods --manifest FILE --tenstep PATH`: each method against the converged solution.

Coefficients come from `tenstep plan`; all methods start from the same noise, and the prompts of the contact sheet take
turns. The distance is the root mean square of the latents' difference. Methods that draw noise lead elsewhere, so they
have no row. The row `exact` takes many small steps down to the last level of the others, and from there the one step that
they all end with: the distance that is left when everything before that step is right. With --frechet a row also has the
Frechet distance of the judge's features to those of the converged samples.

Writes a row a method and budget into evaluation/<revision>/methods-….json of the working folder as it goes, and starts
where it was stopped.
"""

import json
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from training import sampling_plan, settings
from training.evaluate import frechet, looks, networks, pictures, preset, prompts
from training.evaluate.first_outputs import FirstOutputs
from training.evaluate.frechet import Gaussian
from training.evaluate.networks import Networks, layout
from training.evaluate.sampler import decode, noise
from training.evaluate.sweeps import root_mean_square

BATCH, BATCH_ON_GPU = 32, 1024
RESAMPLES = 200
EXACT = "exact"
SMALL_STEPS = 60


def batch_size(model: Networks) -> int:
    return BATCH if model.device.type == "cpu" else BATCH_ON_GPU


def samples(model: Networks, plan: dict, count: int, scale: float, first_outputs: FirstOutputs) -> torch.Tensor:
    """f32[count, C, h, w]: latents."""
    newcomers = [one.prompt for one in prompts.read(prompts.NEWCOMERS)]
    batches, size = [], batch_size(model)
    for first in range(0, count, size):
        seeds = list(range(first, min(first + size, count)))
        wanted = [newcomers[seed % len(newcomers)] for seed in seeds]
        guided = scale != 1
        embeds = model.prompt_embeds([*wanted, *([""] * len(wanted) if guided else [])])

        def evaluate(sample: torch.Tensor, timestep: float, guided=guided, embeds=embeds) -> torch.Tensor:
            model_input = torch.cat([sample] * (2 if guided else 1)).contiguous(memory_format=layout(model.device))
            # Made on the device: a copy would wait for all that the device has to do.
            at = torch.full((), timestep, device=model.device)
            output = model.unet(model_input, at, encoder_hidden_states=embeds).sample
            if not guided:
                return output
            conditional, unconditional = output.chunk(2)
            return unconditional + scale * (conditional - unconditional)

        x_t = noise(model.latent_shape, seeds).to(model.device)
        batches.append(sampling_plan.run(plan, first_outputs.of(first, plan, evaluate), x_t, seed=first).cpu())
    return torch.cat(batches)


def draws_noise(plan: dict) -> bool:
    return any(term["of"] == "noise" for step in plan["steps"] for term in step["update"] + step["correction"])


def summary(distances: np.ndarray) -> dict:
    """The median with its standard error by the bootstrap, and the quartiles."""
    drawn = np.random.default_rng(0).integers(len(distances), size=(RESAMPLES, len(distances)))
    error = np.median(distances[drawn], axis=1).std(ddof=1)
    low, median, high = np.quantile(distances, [0.25, 0.5, 0.75])
    return {key: round(float(value), 4) for key, value in
            {"median": median, "standard_error": error, "low": low, "high": high}.items()}  # fmt: skip


def parse():
    options = preset.parser(__doc__)
    options.add_argument("--manifest", type=Path, required=True, help="manifest.json of the model")
    options.add_argument("--tenstep", required=True, help="the built command")
    options.add_argument("--samples", type=int, default=256, help="how many a row (default: 256)")
    options.add_argument("--guidance-scale", type=float, help="default: the model's")
    options.add_argument("--schedule", default="trailing", help="how the steps are spaced (default: trailing)")
    options.add_argument("--steps", default="5,6,8,10,15,20", help="budgets of evaluations, with commas between")
    options.add_argument("--solvers", help="methods, with commas between (default: all and exact)")
    options.add_argument("--reference-steps", type=int, default=200, help="of the converged solution (default: 200)")
    options.add_argument("--compile", action="store_true", help="compile the UNet first: a tenth quicker on a CPU")
    options.add_argument("--frechet", action="store_true", help="also the Frechet distance; needs thousands of samples")
    options = options.parse_args()
    preset.read(options)
    return options


def main() -> None:
    options = parse()
    settings.seed_everything(0, options.threads)
    torch.set_grad_enabled(False)
    torch.backends.cudnn.benchmark = True  # every batch has the same shape
    model = networks.load(options.manifest).to(options.device)
    if options.compile:
        model.unet = networks.compiled(model.unet)
    scale = model.guidance_scale if options.guidance_scale is None else options.guidance_scale
    made = {
        "model": model.manifest["name"], "revision": model.manifest["revision"],
        "samples": options.samples, "guidance_scale": scale,
        "reference": {"solver": "dpmpp-3m", "schedule": "exponential", "evaluations": options.reference_steps},
    }  # fmt: skip
    folder = options.root / "evaluation" / made["revision"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"methods{'-frechet' if options.frechet else ''}-{scale:g}-{options.samples}.json"
    before = json.loads(path.read_text()) if path.exists() else made | {"rows": []}
    if before["reference"] != made["reference"]:
        raise SystemExit(f"{path} was measured against another solution: move it away")
    rows = before["rows"]
    done = {(row["solver"], row["schedule"], row["budget"]) for row in rows}
    judge = None
    if options.frechet:
        judge, _ = looks.load(options.root / "judges", "judge", pictures.read(options.root), options.device)

    def features(latents: torch.Tensor) -> np.ndarray:
        images = np.concatenate([decode(model, batch.to(model.device)) for batch in latents.split(batch_size(model))])
        return looks.features(judge, images).mean(dim=0).cpu().numpy()

    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(model.manifest["scheduler"], file)
        file.flush()

        def planned(solver: str, schedule: str, budget: int) -> dict | None:
            if solver == EXACT:
                steps = planned("ddim", schedule, budget)["steps"]
                first, last = (step["sigma"] / step["alpha"] for step in (steps[0], steps[-1]))
                levels = [*np.geomspace(first, last, SMALL_STEPS), 0]
                return sampling_plan.plan_at(options.tenstep, "dpmpp-3m", levels, file.name)
            return sampling_plan.plan(options.tenstep, solver, schedule, budget, file.name)

        kept = folder / f"converged-{scale:g}-{options.samples}-{options.reference_steps}.pt"
        if kept.exists():
            converged = torch.load(kept)
        else:
            converged = samples(model, planned(*made["reference"].values()), options.samples, scale, FirstOutputs())
            torch.save(converged, kept)
        reference = Gaussian.of(features(converged)) if judge else None

        first_outputs = FirstOutputs()
        every = [solver["name"] for solver in sampling_plan.solvers(options.tenstep)]
        names = options.solvers.split(",") if options.solvers else [*every, EXACT]
        for budget in map(int, options.steps.split(",")):
            for name in names:
                plan = planned(name, options.schedule, budget)
                # None: adaptive, or its start takes more evaluations.
                if (name, options.schedule, budget) in done or plan is None or draws_noise(plan):
                    continue
                start = time.monotonic()
                latents = samples(model, plan, options.samples, scale, first_outputs)
                row = {
                    "solver": name, "schedule": options.schedule, "budget": budget, "evaluations": plan["evaluations"],
                    "distance": summary(root_mean_square(latents - converged)),
                }  # fmt: skip
                if judge:
                    found = frechet.with_interval(features(latents), reference, device=options.device)
                    row["frechet"] = found.as_json()
                rows.append(row | {"seconds": round(time.monotonic() - start, 1)})
                settings.write_json(path, made | {"rows": rows})
                settings.report(options.root, "methods", json.dumps(rows[-1]))


if __name__ == "__main__":
    main()
