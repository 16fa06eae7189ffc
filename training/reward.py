"""`python -m training.reward`: fine-tunes the UNet and the text encoder by what networks see in their samples.

A model that knows a concept's drawings by heart draws it in the style of one of them, whatever style was asked for. Here
it samples as the browser does, networks of training/reward_networks.py look at the pictures, and the cross-entropy of
the concept, the style and the skin tone that were asked for goes back through decoder and sampler (DRaFT, Clark et al. 2023) down to
some evaluation, another one for each batch (AlignProp, Prabhudesai et al. 2023): what a picture becomes is decided early.
The ordinary loss on real pictures goes along, so that nothing else drifts. The networks see pictures of training only,
and no prompt is of a held-out pair.
"""

from contextlib import nullcontext

import numpy as np
import torch
from accelerate.utils import broadcast
from diffusers import AutoencoderTiny
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from training import checkpoint, initial, loop, settings, text
from training import latents as latents_of
from training.dataset import packages
from training.evaluate import augment, judges, pictures
from training.export import circumstances, scheduler
from training.faces import well_known_faces
from training.reward_networks import RewardNetwork
from training.reward_prompts import ANY_STYLE, NO_TONE, Asked, Prompts
from training.tokenizer import WordTokenizer
from training.unet import ConceptSampler, Denoiser, alphas_cumprod, noisy_batch
from training.word_vectors import Glove


def style_views(seen: torch.Tensor, generator: torch.Generator, mixed_share: float) -> torch.Tensor:
    """Gentle views, a share of them with red, green and blue in a random order: else samples are recoloured to please."""
    views = augment.gentle_views(seen, generator)
    chance, *order = torch.rand(4, len(views), 1, generator=generator, device=generator.device)
    mixed = views.gather(1, torch.cat(order, dim=1).argsort(dim=1)[:, :, None, None].expand_as(views))
    return torch.where(chance[:, :, None, None] < mixed_share, mixed, views)


def style_loss(network: RewardNetwork, drawings: judges.Drawings, config: dict) -> torch.Tensor:
    indices = drawings.draw_pictures(drawings.draw_concepts(config["batch_size"]), 1)[:, 0]
    views = drawings.views(indices, lambda seen, generator: style_views(seen, generator, config["mixed_share"]))
    styles = scores(network, views)["style"]
    return F.cross_entropy(styles, torch.from_numpy(drawings.known.style[indices]).to(styles.device))


def tone_loss(network: RewardNetwork, drawings: judges.Drawings, config: dict) -> torch.Tensor:
    indices = drawings.draw_styles_and_tones(config["batch_size"], 1.0)
    tones = scores(network, drawings.views(indices, augment.gentle_views))["tone"]
    return F.cross_entropy(tones, torch.from_numpy(drawings.known.tone[indices]).to(tones.device))


def scores(network: RewardNetwork, views: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.autocast(views.device.type, torch.bfloat16):
        features = network.features(views.contiguous(memory_format=torch.channels_last))
    return network.heads(features.float())


# How captions differ from those of the training before.
CAPTIONED = ("style_word_rate", "described_rate", "face_is_whole_rate")

# Else the views would be drawn from the numbers that the noise is drawn from.
VIEWS = 0x5EED

# Both must be pleased: what one alone takes for a style need not be that style.
NAME_THE_STYLE = ("reward_style", "reward_shading")
LOSSES = {"reward_concept": judges.judge_loss, "reward_tone": tone_loss} | dict.fromkeys(NAME_THE_STYLE, style_loss)


def reward_network(
    name: str, preset: dict, known: pictures.Pictures, vae: AutoencoderTiny, trainer: loop.Trainer
) -> nn.Module:
    """From the working folder, or trained; only its input will have gradients.

    How long it was trained is no reason to refuse one: `preset` says it afterwards.
    """
    options, device = trainer.options, trainer.device
    config, path = dict(preset[name]), options.root / f"{name}.pt"
    network = RewardNetwork(
        len(known.labels), len(known.styles), pictures.TONES, config["patch"], config["widths"], config["blocks"]
    )
    saved = checkpoint.load(path)
    if saved and "minutes" in saved["config"]:
        config["minutes"] = saved["config"]["minutes"]
    elif options.only and options.minutes:
        config["minutes"] = options.minutes
    preset[name] = config
    made = {"config": config, "labels": known.labels, "styles": known.styles}
    if saved is None:
        settings.seed_everything(config["seed"], options.threads)
        sources = [known.images]
        for most_error in config["errors"]:
            sources.append(judges.reconstruct(vae, known.images, device.type, most_error, config["seed"]))
        drawings = judges.Drawings(known, sources, config["common_share"], config["seed"], device.type)
        loss = LOSSES[name]
        network = judges.train(
            network,
            lambda n: loss(n, drawings, config),
            config,
            device.type,
            lambda line: settings.report(options.root, name, line),
        )
        checkpoint.save(path, state=network.state_dict(), **made)
    else:
        if any(saved.get(name) != value for name, value in made.items()):
            raise SystemExit(f"{path} was trained with other numbers or on other data: remove it")
        network.load_state_dict(saved["state"])
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


class Sampled(Denoiser):
    """UNet and text encoder, with their samples: one forward pass gives all that the loss needs."""

    def __init__(self, preset: dict, vocab_size: int, empty_ids: list[int]):
        # As it samples, so it learns: without dropout.
        super().__init__(preset | {"unet": preset["unet"] | {"dropout": 0.0}}, vocab_size)
        self.preset, self.empty_ids = preset, empty_ids

    def forward(self, sample, timesteps, input_ids, noise, asked_ids) -> tuple[torch.Tensor, torch.Tensor]:
        """(prediction on the sample, latents of the prompts asked for)

        The prediction comes first: autocast keeps the rounded weights of what ran first, and so without gradients
        if that had none.
        """
        return super().forward(sample, timesteps, input_ids), self.draw(noise, asked_ids)

    def draw(self, noise: torch.Tensor, asked_ids: torch.Tensor) -> torch.Tensor:
        """Latents f32[B, C, h, w] by the sampler that ships, with gradients from some evaluation on."""
        config = self.preset["reward"]
        embeds = text.embed(self.text_encoder, asked_ids)
        solver = scheduler(self.preset["unet"])
        solver.set_timesteps(config["steps"])
        # The same in all processes: each step waits for the one that has the longest way back.
        first = int(broadcast(torch.randint(config["steps"] - config["least_learning_steps"] + 1, (), device=noise.device)))
        with torch.no_grad():
            empty = text.embed(self.text_encoder, torch.tensor([self.empty_ids], device=noise.device))
            empty = empty.expand(len(noise), -1, -1)
        latents = noise
        # The solver wants its own on the CPU, the network's would be waited for at each evaluation there.
        on_device = solver.timesteps.to(noise.device)
        for place, timestep in enumerate(solver.timesteps):
            with torch.set_grad_enabled(place >= first):
                both = self.unet(torch.cat([latents, latents]), on_device[place], torch.cat([embeds, empty])).sample.float()
            conditional, unconditional = both.chunk(2)
            velocity = unconditional + config["guidance_scale"] * (conditional - unconditional)
            latents = solver.step(velocity, timestep, latents).prev_sample
        return latents


def as_seen(decoded: torch.Tensor) -> torch.Tensor:
    """What a decoder gives, f32[B, 4, H, W] in about [-1, 1] -> as augment.rgba gives pictures, with gradients."""
    values = decoded.float().add(1).div(2).clamp(0, 1)
    colour = torch.minimum(values[:, :3], values[:, 3:])
    return F.avg_pool2d(torch.cat([colour, values[:, 3:]], dim=1), decoded.shape[-1] // augment.SIZE)


def one_of(scores: torch.Tensor, meant: torch.Tensor) -> torch.Tensor:
    """bool[B, classes], where `meant` is one class each; what is negative means none that counts."""
    return F.one_hot(meant.clamp(min=0), scores.shape[1]).bool()


class Rewards:
    """The cross-entropies of what was asked for, as the networks see it, from random views."""

    def __init__(self, networks: dict[str, nn.Module], preset: dict, device: torch.device):
        self.networks, self.preset, self.config = networks, preset, preset["reward"]
        self.generator = torch.Generator(device)

    def loss(self, decoded: torch.Tensor, asked: Asked) -> torch.Tensor:
        self.generator.manual_seed(torch.initial_seed() ^ VIEWS)
        seen = as_seen(decoded)
        concepts = scores(self.networks["reward_concept"], augment.random_views(seen, self.generator))["concept"]
        loss = self.config["concept_weight"] * self.left(concepts, asked.concepts).mean()
        tones = scores(self.networks["reward_tone"], augment.gentle_views(seen, self.generator))["tone"]
        toned = asked.tone != NO_TONE
        loss = loss + self.config["tone_weight"] * (self.left(tones, one_of(tones, asked.tone)) * toned).mean()
        for name in NAME_THE_STYLE:
            views = style_views(seen, self.generator, self.preset[name]["mixed_share"])
            styles = scores(self.networks[name], views)["style"]
            # Any style will do where none is asked for, but not something between them.
            wanted = torch.where(asked.style == ANY_STYLE, styles.argmax(dim=1), asked.style)
            loss = loss + self.config["style_weight"] / len(NAME_THE_STYLE) * self.left(styles, one_of(styles, wanted)).mean()
        return loss

    def left(self, scores: torch.Tensor, meant: torch.Tensor) -> torch.Tensor:
        """[B]: minus the log-probability of all that is meant, above what satisfies: a surer network is no better."""
        log_probability = scores.log_softmax(dim=1).masked_fill(~meant, -torch.inf).logsumexp(dim=1)
        return F.relu(-log_probability - self.config["satisfied"])


def main(arguments: list[str] | None = None) -> None:
    options = settings.training_parser(__doc__)
    options.add_argument("--initial", metavar="MANIFEST", help="start from the weights of a converted model")
    options.add_argument("--only", choices=list(LOSSES), help="train one of the networks that look, for --minutes, and end")
    options = options.parse_args(arguments)
    preset = settings.read(options, "reward")
    config, root = preset["reward"], options.root
    trainer = loop.Trainer("reward", options, config)
    device, known = trainer.device, pictures.read(root)
    if options.initial:
        # What is exported is a whole model: its UNet with the autoencoder that made its latents.
        with trainer.accelerator.main_process_first():
            if trainer.main:
                initial.autoencoder(options.initial).save_pretrained(root / "vae")
    vae = AutoencoderTiny.from_pretrained(root / "vae").eval().requires_grad_(False)
    vae.to(device, memory_format=torch.channels_last)
    with trainer.accelerator.main_process_first():
        wanted = [options.only] if options.only else LOSSES
        networks = {name: reward_network(name, preset, known, vae, trainer) for name in wanted}
    if options.only:
        return
    with trainer.accelerator.main_process_first():
        latents = latents_of.of_all(root, vae, known.images)[known.training].contiguous().to(device)
    rewards = Rewards(networks, preset, device)

    records = [known.records[index] for index in known.training]
    tokenizer = WordTokenizer.from_folder(root / "tokenizer")
    captions = text.Captions(records, tokenizer, preset["unet"] | {name: config[name] for name in CAPTIONED})
    glove = Glove(packages.wheel_path(root / "packages"), preset["text"]["frequent_words"])
    names = {record["base"]: tokenizer.known_words(tokenizer.word_ids(record["base_label"])) for record in records}
    often = {base: glove.often(words) for base, words in names.items()}
    wholes = well_known_faces(records)
    for base in {record["base"] for record in records if record["base_label"] in wholes}:
        often[base] *= config["whole_animals_weight"]
    sampler = ConceptSampler(records, config["real_common_share"], preset["unet"]["untoned_share"], often)
    prompts = Prompts(known, tokenizer, glove.often, config)
    table = alphas_cumprod(preset["unet"]).to(device)
    settings.seed_everything(config["seed"], trainer.threads)
    model = Sampled(preset, tokenizer.vocab_size, tokenizer.pad([]))
    counts = text.word_counts(captions, sampler, config["seed"])
    revision, before = initial.start(model, trainer, ("unet",), tokenizer, counts, options.initial)

    def draw(random: np.random.Generator, size: int) -> tuple:
        chosen = sampler.draw(size * config["real_batch_size"] // config["batch_size"], random)
        real_ids = torch.tensor([captions.draw(index, random) for index in chosen])
        asked = prompts.draw(size, random)
        return torch.from_numpy(chosen), real_ids, asked.input_ids, asked.concepts, asked.style, asked.tone

    def batch_loss(model: nn.Module, batch: tuple) -> torch.Tensor:
        chosen, real_ids, *asked = (part.to(device, non_blocking=True) for part in batch)
        asked = Asked(*asked)
        sample, timesteps, target = noisy_batch(latents[chosen], table, preset["unet"]["timestep_power"])
        noise = torch.randn(len(asked.style), *latents.shape[1:], device=device)
        prediction, made = model(sample, timesteps, real_ids, noise, asked.input_ids)
        with trainer.accelerator.autocast():
            decoded = vae.decode(made.contiguous(memory_format=torch.channels_last)).sample
        return F.mse_loss(prediction.float(), target) + config["reward_weight"] * rewards.loss(decoded, asked)

    # On a processor the fused attention's backward was a fifth of a step, for sequences of 16 and 64.
    with sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext():
        run = trainer.run(model, draw, batch_loss, revision)
    if trainer.main:
        settings.write_json(root / "reward.json", run | circumstances(options.preset, preset, "reward") | {"before": before})


if __name__ == "__main__":
    main()
