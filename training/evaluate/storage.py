"""What quantisation costs: models of each storage type on the same prompts and noise."""

import numpy as np

from training.evaluate import accuracy, networks, stored, sweeps
from training.evaluate.evaluation import Evaluation, Wanted
from training.evaluate.likeness import frechet_distances


def measure(evaluation: Evaluation, source: dict, wanted: list[Wanted]) -> dict:
    """f32, f16, int8 and int4 of the trained weights, and what ships: top-1 and Frechet distance, paired with f32."""
    n = evaluation.config["storage_samples"]
    wanted, manifest, device = wanted[:n], evaluation.networks.manifest, evaluation.networks.device
    runs = {
        dtype: evaluation.draw(wanted, of=networks.build(manifest, stored.as_stored(source, dtype)).to(device))
        for dtype in ("f32", "f16", "int8", "int4")
    }
    runs["shipped"] = evaluation.draw(wanted)
    hits = {}
    for name, run in runs.items():
        scores = evaluation.look(run.images).scores["concept"]
        hits[name] = accuracy.hits(scores, [list(one.concepts) for one in wanted], 1)
    sizes = {dtype: stored.total_bytes(source, dtype) for dtype in ("f32", "f16", "int8", "int4")}
    return {
        name: {
            "top1": accuracy.share(hits[name]),
            "top1_change": accuracy.paired_difference(hits["f32"], hits[name]),
            "frechet": frechet_distances(evaluation, run.images),
            "median_rms": round(float(np.median(sweeps.root_mean_square(run.latents - runs["f32"].latents))), 4),
        }
        | ({"weight_bytes": sizes[name]} if name in sizes else {})
        for name, run in runs.items()
    }
