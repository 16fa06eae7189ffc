"""`python -m training.evaluate.rounding --manifest www/models/default/manifest.json`: what storage with fewer bits costs a converted model.

The weights that its shards give back are stored anew. Measured are the relative errors of one guided evaluation, of samples of
the model's own with noise of three timesteps, and of one decode: of each network by itself, and of the tensors that int4 hurts
most, each alone. With --samples and a working folder, also top-1 of so many samples of the grid by its judge, from the same
noise for each type.
"""

from pathlib import Path

import numpy as np
import torch

from training import manifest as shards
from training import settings
from training.evaluate import accuracy, damage, looks, networks, pictures, preset, prompts, sampler, stored
from training.evaluate.evaluation import Evaluation
from training.evaluate.networks import Networks, Tensors
from training.evaluate.tables import percent, points

DTYPES = ("f16", "int8", "int4")
COUNT = 8  # prompts of an evaluation
WORST = 10


def errors(model: Networks, source: Tensors) -> None:
    """Prints errors. `model` holds the weights of `source`, and holds them again afterwards."""
    shown = [one.prompt for one in prompts.read(prompts.NEWCOMERS)[:COUNT]]
    x_t = sampler.noise(model.latent_shape, list(range(COUNT, 2 * COUNT))).to(model.device)
    latents = sampler.sample_latents(model, shown, x_t, sampler.Sampling())
    for component, (module, output) in damage.parts(model, shown + [""] * COUNT, latents).items():
        parameters = {name.removeprefix("text_model."): p for name, p in module.named_parameters()}
        clean = output()

        def error(kept: dict[str, np.ndarray]) -> float:
            for name, values in source[component].items():
                damage.fill(parameters[name.removeprefix("text_model.")], kept.get(name, values))
            return damage.relative_error(output(), clean)

        def rounded(dtype: str, least: int = 0) -> dict[str, np.ndarray]:
            return {
                name: stored.roundtrip(values, dtype if values.size >= least else "int8")
                for name, values in source[component].items()
            }

        for dtype in DTYPES:
            print(f"{component}: {100 * error(rounded(dtype)):.2f} % all {dtype}", flush=True)
        least = stored.MIN_ELEMENTS_INT4
        print(f"{component}: {100 * error(rounded('int4', least)):.2f} % int4 from {least} elements on, smaller ones int8")
        large = [name for name, values in source[component].items() if stored.is_large(values)]
        alone = {name: error({name: stored.roundtrip(source[component][name], "int4")}) for name in large}
        for name in sorted(large, key=alone.get, reverse=True)[:WORST]:
            print(f"    {100 * alone[name]:5.2f} % {source[component][name].size:>8} {name}", flush=True)
        error({})


def top1(options, manifest: dict, source: Tensors) -> None:
    config = preset.read(options)["measure"] | {"grid_samples": options.samples}
    known = pictures.read(options.root)
    judge, attributes = (looks.load(options.root / "judges", name, known, options.device)[0] for name in ("judge", "attributes"))
    shipped = networks.build(manifest, source).to(options.device)
    judged = Evaluation(shipped, known, judge, attributes, None, config, print)
    judged.processes = options.threads if options.device == "cpu" else 1
    wanted, hits = judged.grid(), {}
    for dtype in ("as it is", *options.dtypes):
        tensors = source if dtype == "as it is" else stored.as_stored(source, dtype)
        images = judged.draw(wanted, of=networks.build(manifest, tensors).to(options.device)).images
        scores = judged.look(images).scores["concept"]
        hits[dtype] = accuracy.hits(scores, [list(one.concepts) for one in wanted], 1)
        change = "" if dtype == "as it is" else points(accuracy.paired_difference(hits["as it is"], hits[dtype])) + " points"
        print(f"{dtype}: top-1 {percent(accuracy.share(hits[dtype]))} {change}", flush=True)


def main() -> None:
    options = preset.parser(__doc__)
    options.add_argument("--manifest", type=Path, required=True, help="manifest.json of a converted model")
    options.add_argument("--samples", type=int, default=0, help="of the grid, for top-1 (default: none)")
    options.add_argument("--dtypes", nargs="+", choices=DTYPES, default=("int8", "int4"), help="whose top-1 (default: int8 int4)")
    options = options.parse_args()
    settings.seed_everything(0, 1 if options.samples and options.device == "cpu" else options.threads)
    torch.set_grad_enabled(False)
    manifest, source = shards.load(options.manifest)
    if options.samples:
        top1(options, manifest, source)
    else:
        errors(networks.build(manifest, source).to(options.device), source)


if __name__ == "__main__":
    main()
