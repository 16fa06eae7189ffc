"""`python -m training.evaluate.judges`: trains the networks that look at pictures.

judge       names concepts; all prompt fidelity is measured with it
attributes  names styles and skin tones
second      brings two drawings of a concept together (supervised contrastive, Khosla et al. 2020); an independent
            opinion, and nothing is ever chosen by it

They see real pictures only, never one that is held out. Half of the time a picture is replaced by what the
autoencoder of the working folder, or of the converted model that --manifest names, makes of it, so that a soft decoder is
no handicap. The network of attributes also
meets pictures whose latents have errors: it looks at shading, which errors change first. Their weights stay in the
working folder, judges/*.pt.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import nn
from torch.nn import functional as F

from training import schedule, settings
from training.evaluate import augment, looks, networks, pictures, preset
from training.evaluate.judge_networks import Attributes, Judge, Second
from training.images import to_bytes, to_sample
from training.latents import fingerprint
from training.whole_file import replacing


class Drawings:
    """Draws a training picture of a concept, every style equally often, whatever the number of its skin tones.

    The common concepts, which are what is judged, get a fixed share of the draws.
    """

    def __init__(
        self, known: pictures.Pictures, sources: list[np.ndarray], common_share: float, seed: int, device: str
    ):
        self.known, self.seed = known, seed
        self.random = np.random.default_rng(seed)
        self.generator = torch.Generator(device).manual_seed(seed)
        self.images = [torch.from_numpy(source).to(device) for source in sources]  # of the same pictures
        self.by_style: dict[int, dict[int, list[int]]] = {}
        for index in known.training:
            styles = self.by_style.setdefault(int(known.concept[index]), {})
            styles.setdefault(int(known.style[index]), []).append(int(index))
        self.concepts = np.array(sorted(self.by_style))
        common = {int(known.concept[i]) for i in known.training if known.records[i]["common"]}
        chance = np.array([concept in common for concept in self.concepts], dtype=np.float64)
        chance = common_share * chance / chance.sum() + (1 - common_share) * (1 - chance) / (1 - chance).sum()
        self.chance = chance

    def draw_concepts(self, count: int) -> np.ndarray:
        return self.random.choice(self.concepts, size=count, replace=False, p=self.chance)

    def log_chance(self) -> torch.Tensor:
        """f32[classes]: of a concept to be drawn; none that has no training picture is ever drawn."""
        chance = torch.full((len(self.known.labels),), 1e-9)
        chance[torch.from_numpy(self.concepts)] = torch.from_numpy(self.chance).float()
        return chance.log().to(self.generator.device)

    def draw_pictures(self, concepts: np.ndarray, each: int) -> np.ndarray:
        """int[len(concepts), each]: different styles of a concept where it has enough of them."""
        chosen = []
        for concept in concepts:
            styles = list(self.by_style[int(concept)].values())
            order = self.random.permutation(len(styles))
            chosen.append([self.random.choice(styles[order[turn % len(styles)]]) for turn in range(each)])
        return np.array(chosen)

    def draw_styles_and_tones(self, count: int, toned_share: float) -> np.ndarray:
        """Pictures as the judge gets them, and a share of gestures."""
        training = self.known.training
        chosen = self.draw_pictures(self.draw_concepts(count), 1)[:, 0]
        toned = self.random.choice(training[self.known.has_tone[training]], size=count)
        return np.where(self.random.random(count) < toned_share, toned, chosen)

    def views(self, indices: np.ndarray, look=augment.random_views) -> torch.Tensor:
        source = torch.from_numpy(self.random.integers(len(self.images), size=len(indices)))
        places = torch.from_numpy(indices).to(self.generator.device)
        batch = torch.stack([images[places] for images in self.images])[source, torch.arange(len(indices))]
        seen = look(augment.rgba(batch), self.generator)
        return seen.contiguous(memory_format=torch.channels_last)


def judge_loss(judge: Judge, drawings: Drawings, config: dict) -> torch.Tensor:
    indices = drawings.draw_pictures(drawings.draw_concepts(config["batch_size"]), 1)[:, 0]
    views = drawings.views(indices)
    with torch.autocast(views.device.type, torch.bfloat16):
        features = judge.features(views)
    heads, known = judge.heads(features.float()), drawings.known

    def classes(of: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(of[indices]).to(views.device)

    smoothing = config["label_smoothing"]
    # The chance of a draw is added here and not when judging, so that what is drawn often is not guessed more often
    # (logit adjustment, Menon et al. 2021).
    concepts = heads["concept"] + drawings.log_chance()
    loss = F.cross_entropy(concepts, classes(known.concept), label_smoothing=smoothing)
    attributes = F.cross_entropy(heads["style"], classes(known.style), label_smoothing=smoothing)
    toned = classes(known.has_tone)
    if toned.any():
        tone = classes(known.tone)
        attributes = attributes + F.cross_entropy(heads["tone"][toned], tone[toned], label_smoothing=smoothing)
    return loss + config["attribute_weight"] * attributes


def attributes_loss(attributes: Attributes, drawings: Drawings, config: dict) -> torch.Tensor:
    known, indices = drawings.known, drawings.draw_styles_and_tones(config["batch_size"], config["toned_share"])
    views = drawings.views(indices, augment.gentle_views)
    with torch.autocast(views.device.type, torch.bfloat16):
        features = attributes.features(views)
    heads = attributes.heads(features.float())
    style = F.cross_entropy(heads["style"], torch.from_numpy(known.style[indices]).to(views.device))
    toned = torch.from_numpy(known.has_tone[indices]).to(views.device)
    if not toned.any():
        return style
    tone = torch.from_numpy(known.tone[indices]).to(views.device)
    return style + F.cross_entropy(heads["tone"][toned], tone[toned])


def second_loss(second: Second, drawings: Drawings, config: dict) -> torch.Tensor:
    """Supervised contrastive: the other drawing of the concept against all other pictures of the batch."""
    indices = drawings.draw_pictures(drawings.draw_concepts(config["batch_size"]), 2).T.reshape(-1)
    views = drawings.views(indices)
    with torch.autocast(views.device.type, torch.bfloat16):
        features = second.features(views)
    embedding = second.embed(features.float())
    logits = embedding @ embedding.T / config["temperature"]
    logits.fill_diagonal_(-torch.inf)
    return F.cross_entropy(logits, torch.arange(len(indices), device=views.device).roll(config["batch_size"]))


MOST_ERROR = 0.7  # of latents that the network of attributes meets
LOSSES = {"judge": judge_loss, "attributes": attributes_loss, "second": second_loss}


def train(network: nn.Module, loss_of, config: dict, device: str, report) -> nn.Module:
    """The moving average of the weights, ready to judge."""
    network = network.to(device, memory_format=torch.channels_last).train()
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(config["ema_decay"]), use_buffers=True
    )
    matrices = [p for p in network.parameters() if p.dim() > 1]
    others = [p for p in network.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": config["weight_decay"]}, {"params": others, "weight_decay": 0.0}],
        lr=config["learning_rate"],
    )
    # After a number of steps instead of minutes, the weights are the same every time.
    clock = schedule.Steps(config["steps"]) if "steps" in config else schedule.Clock(60 * config["minutes"])
    step, running, next_line = 0, [], 60.0
    while clock.fraction(step) < 1:
        rate = schedule.warm_up(step, config["warmup_steps"])
        rate *= schedule.constant_then_linear(clock.fraction(step), config["decay_from"])
        for group in optimizer.param_groups:
            group["lr"] = config["learning_rate"] * rate
        optimizer.zero_grad()
        loss = loss_of(network)
        if not torch.isfinite(loss):
            raise SystemExit(f"the loss is {loss.item()} at step {step}: nothing can be learned from here on")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
        step, running = step + 1, [*running, loss.item()]
        if clock.spent > next_line:
            report(f"step {step}, loss {np.mean(running):.3f}, {step / clock.spent:.2f} steps a second")
            running, next_line = [], next_line + 60
    report(f"done: {step} steps in {clock.spent / 60:.1f} min")
    return average.module.eval()


def autoencoder_of(options: argparse.Namespace) -> AutoencoderKL | AutoencoderTiny:
    if options.manifest:
        return networks.load(options.manifest).autoencoder
    config = AutoencoderKL.load_config(options.root / "vae")
    autoencoder = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}[config["_class_name"]]
    return autoencoder.from_pretrained(options.root / "vae")


@torch.no_grad()
def reconstruct(
    autoencoder: AutoencoderKL | AutoencoderTiny, images: np.ndarray, device: str, most_error: float, seed: int
) -> np.ndarray:
    """What the autoencoder makes of the pictures, from latents with errors.

    Those of a picture are normal, with a deviation up to `most_error` of that of all latents.
    """
    autoencoder = autoencoder.eval().to(device, memory_format=torch.channels_last)
    generator = torch.Generator(device).manual_seed(seed)
    batches = []
    for first in range(0, len(images), 64):
        pictures = to_sample(images[first : first + 64], device)
        with torch.autocast(device, torch.bfloat16):
            latents = latents_of(autoencoder, pictures)
            error = most_error * torch.rand(len(latents), 1, 1, 1, generator=generator, device=device)
            noise = torch.randn(latents.shape, generator=generator, device=device)
            latents = latents + error * latents.std() * noise
            batches.append(to_bytes(autoencoder.decode(latents).sample))
    return np.concatenate(batches)


def latents_of(autoencoder: AutoencoderKL | AutoencoderTiny, pictures: torch.Tensor) -> torch.Tensor:
    encoded = autoencoder.encode(pictures)
    return encoded.latents if isinstance(autoencoder, AutoencoderTiny) else encoded.latent_dist.mode()


def kept(path, make) -> np.ndarray:
    """What `make` gives, from the file that it was kept in the first time: it takes minutes."""
    if not path.exists():
        made = make()
        with replacing(path) as file:
            np.save(file, made)
    return np.load(path, mmap_mode="c")


def main() -> None:
    options = preset.parser(__doc__)
    options.add_argument("--only", choices=list(LOSSES), help="train one of them")
    options.add_argument("--minutes", type=float, help="training time of each (default: the preset's)")
    options.add_argument("--manifest", type=Path, help="manifest.json of the model whose autoencoder is used")
    options = options.parse_args()
    config = preset.read(options)
    known = pictures.read(options.root)
    folder = options.root / "judges"
    folder.mkdir(exist_ok=True)
    settings.seed_everything(config["judge"]["seed"], options.threads)

    autoencoder = autoencoder_of(options)
    of_autoencoder = folder / fingerprint(autoencoder)
    of_autoencoder.mkdir(exist_ok=True)

    def reconstructions(file: str, most_error: float) -> np.ndarray:
        return kept(
            of_autoencoder / file,
            lambda: reconstruct(autoencoder, known.images, options.device, most_error, seed=0),
        )

    plain = [known.images, reconstructions("reconstructions.npy", 0.0)]
    sources = {"attributes": [*plain, reconstructions("with-errors.npy", MOST_ERROR)]}

    for name in [options.only] if options.only else LOSSES:
        own = config[name] | ({"minutes": options.minutes} if options.minutes else {})
        settings.seed_everything(own["seed"], options.threads)
        drawings = Drawings(known, sources.get(name, plain), own["common_share"], own["seed"], options.device)
        network = looks.build(name, own, known)
        loss = LOSSES[name]
        start = time.monotonic()
        network = train(
            network,
            lambda n: loss(n, drawings, own),
            own,
            options.device,
            lambda line: settings.report(options.root, name, line),
        )
        looks.save(folder, name, network, own, known, (time.monotonic() - start) / 60)


if __name__ == "__main__":
    main()
