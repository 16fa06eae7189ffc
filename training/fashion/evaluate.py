"""`python -m training.fashion.evaluate`: class accuracy and Frechet distance of the benchmark's samples.

Ten evaluations of DPM-Solver++ 2M at trailing timesteps, classes in turn, the noise of a picture by its number. Writes
results.json and samples.png into fashion/ of the working folder.
"""

import json

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from training import checkpoint, settings
from training.evaluate import accuracy, frechet, preset
from training.evaluate.frechet import Gaussian
from training.evaluate.networks import layout
from training.evaluate.sampler import noise
from training.export import scheduler
from training.fashion import data
from training.fashion.classifier import Classifier
from training.fashion.options import read
from training.fashion.unet import Network

BATCH, BATCH_ON_GPU = 250, 5000


def batches(count: int, device: str) -> list[range]:
    """The pictures' numbers, as many at once as suit the device."""
    size = BATCH if device == "cpu" else BATCH_ON_GPU
    return [range(first, min(first + size, count)) for first in range(0, count, size)]


def load(module: nn.Module, path, device: str) -> tuple[nn.Module, dict]:
    state = checkpoint.load(path)
    if state is None:
        raise SystemExit(f"{path} is not there: train it first")
    module.load_state_dict(state["average"])
    return module.eval().to(device, memory_format=layout(device)), state


def sample(network: Network, config: dict, classes: torch.Tensor, first_seed: int, steps: int, scale: float):
    """f32[B, 1, 28, 28] in [-1, 1]"""
    latents = noise((4, 14, 14), list(range(first_seed, first_seed + len(classes)))).to(classes.device)
    solver = scheduler(config)
    solver.set_timesteps(steps)
    anything = torch.full_like(classes, data.ANY_CLASS)
    for timestep in solver.timesteps:
        output = network(latents.contiguous(memory_format=layout(classes.device)), timestep, classes)
        if scale != 1:
            free = network(latents, timestep, anything)
            output = free + scale * (output - free)
        latents = solver.step(output, timestep, latents).prev_sample
    return data.to_pixels(latents)


def look(classifier: Classifier, pixels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Features and scores."""
    device = classifier.head.weight.device
    features = [classifier.features(pixels[some.start : some.stop].to(device)) for some in batches(len(pixels), device.type)]
    features = torch.cat(features)
    return features.cpu().numpy(), classifier.head(features).cpu().numpy()


def as_pixels(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).float().div(127.5).sub(1)[:, None]


def mflop(network: Network) -> float:
    with FlopCounterMode(display=False) as counter:
        device = network.unet.device
        network(torch.zeros(1, 4, 14, 14, device=device), torch.tensor(500), torch.tensor([0], device=device))
    return counter.get_total_flops() / 1e6


def sheet(pixels: torch.Tensor, rows: int = 10) -> Image.Image:
    """One column a class."""
    shown = pixels[: rows * len(data.CLASSES)].add(1).mul(127.5).byte().cpu().numpy().reshape(rows, -1, 28, 28)
    return Image.fromarray(255 - shown.transpose(0, 2, 1, 3).reshape(rows * 28, -1))


def main() -> None:
    options = preset.parser(__doc__)
    options.add_argument("--samples", type=int, help="how many (default: the preset's)")
    options.add_argument("--steps", type=int, help="evaluations a sample (default: the preset's)")
    options = options.parse_args()
    presets = read(options)
    config = presets["evaluate"]
    steps, count = options.steps or config["steps"], options.samples or config["samples"]
    settings.seed_everything(0, options.threads)
    torch.set_grad_enabled(False)
    network, state = load(Network(presets["unet"]), options.root / "unet.ckpt", options.device)
    classifier, _ = load(Classifier(presets["classifier"]["width"]), options.root / "classifier.ckpt", options.device)
    train, test = data.read(options.root, "train"), data.read(options.root, "t10k")

    classes = (torch.arange(count) % len(data.CLASSES)).to(options.device)
    scale = config["guidance_scale"]
    pixels = torch.cat(
        [
            sample(network, presets["unet"], classes[some.start : some.stop], some.start, steps, scale)
            for some in batches(count, options.device)
        ]
    )
    sheet(pixels).save(options.root / "samples.png")

    reference = Gaussian.of(look(classifier, as_pixels(train.images))[0])
    test_features, test_scores = look(classifier, as_pixels(test.images))
    features, scores = look(classifier, pixels)

    def distance(features: np.ndarray) -> dict:
        return frechet.with_interval(features, reference, config["resamples"], device=options.device).as_json()

    results = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "mflop_evaluation": round(mflop(network) * (2 if scale != 1 else 1), 2),
        "steps": steps,
        "guidance_scale": scale,
        "images_seen": state["images_seen"],
        "minutes": round(state["spent"] / 60, 1),
        "seed": presets["unet"]["seed"],
        "classifier": accuracy.share(test_scores.argmax(axis=1) == test.labels),
        "class_accuracy": accuracy.share(scores.argmax(axis=1) == classes.cpu().numpy()),
        "frechet": distance(features),
        "frechet_test": distance(test_features),
    }
    (options.root / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
