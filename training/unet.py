"""`python -m training.unet`: trains the UNet and the text encoder together on the autoencoder's latents.

v prediction on a linear schedule whose last step is almost pure noise, so that sampling starts from where training
ended. The run ends at a wall-clock time (`--until 11:50` or `--minutes`), the learning rate falls to nothing just then.
"""

import datetime

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from torch.nn import functional as F

from training import checkpoint, schedule, settings, text
from training.autoencoder import encode_all
from training.images import read_images, read_records
from training.tokenizer import WordTokenizer


def build(config: dict, cross_attention_dim: int) -> UNet2DConditionModel:
    """16x16 -> 8x8 -> 4x4. Text enters at 8x8 and, in the middle, at 4x4.

    diffusers reads `attention_head_dim` as the number of heads (its own documented misnomer), so that is what we give.
    """
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=tuple(config["block_out_channels"]),
        layers_per_block=config["layers_per_block"],
        down_block_types=tuple(config["down_block_types"]),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=tuple(config["up_block_types"]),
        attention_head_dim=config["attention_heads"],
        use_linear_projection=True,
        norm_num_groups=config["norm_num_groups"],
        cross_attention_dim=cross_attention_dim,
    )


def alphas_cumprod(config: dict) -> torch.Tensor:
    """f32[num_train_timesteps]"""
    betas = torch.linspace(
        config["beta_start"], config["beta_end"], config["num_train_timesteps"], dtype=torch.float64
    )
    return torch.cumprod(1 - betas, dim=0).float()


class ConceptSampler:
    """Draws a concept by the weight of its group, then one of its drawings evenly.

    By picture instead of by concept, a few groups with many variants would take most of the training.
    """

    def __init__(self, records: list[dict], group_weights: dict[str, float]):
        drawings: dict[str, list[int]] = {}
        weight: dict[str, float] = {}
        for index, record in enumerate(records):
            drawings.setdefault(record["hexcode"], []).append(index)
            group = group_weights.get(record["group"], 1.0)
            weight[record["hexcode"]] = group_weights.get(record["subgroup"], group)
        self.drawings = list(drawings.values())
        weights = np.array([weight[code] for code in drawings])
        # The square root of the number of drawings: a concept with one drawing is learned with less.
        weights = weights * np.sqrt([len(indices) for indices in self.drawings])
        self.probabilities = weights / weights.sum()

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        concepts = random.choice(len(self.drawings), size=count, p=self.probabilities)
        return np.array([random.choice(self.drawings[concept]) for concept in concepts])


class Average:
    """An exponential moving average of weights that catches up quickly at the start."""

    def __init__(self, parameters: list[torch.Tensor], decay: float):
        self.parameters, self.decay = parameters, decay
        self.values = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.values, self.parameters, 1 - decay)

    @torch.no_grad()
    def copy_to(self, parameters: list[torch.Tensor]) -> None:
        for parameter, value in zip(parameters, self.values, strict=True):
            parameter.copy_(value)


def seconds_until(clock_time: str) -> float:
    """From now to the next time the wall clock shows HH:MM."""
    now = datetime.datetime.now()
    end = now.replace(hour=int(clock_time[:2]), minute=int(clock_time[3:]), second=0, microsecond=0)
    return ((end - now) % datetime.timedelta(days=1)).total_seconds()


def noisy_batch(latents: torch.Tensor, table: torch.Tensor):
    """(sample, timesteps, v target) of a batch of clean latents.

    Timesteps are stratified: each batch covers the whole range, which makes the loss less noisy at no cost.
    """
    batch = len(latents)
    timesteps = ((torch.arange(batch) + torch.rand(batch)) / batch * len(table)).long()
    alpha = table[timesteps].sqrt()[:, None, None, None]
    sigma = (1 - table[timesteps]).sqrt()[:, None, None, None]
    noise = torch.randn_like(latents)
    return alpha * latents + sigma * noise, timesteps, alpha * noise - sigma * latents


def main() -> None:
    options = settings.parser(__doc__)
    options.add_argument("--minutes", type=float, help="training time, together with what a checkpoint has used")
    options.add_argument("--until", metavar="HH:MM", help="end at this wall-clock time instead")
    options = options.parse_args()
    preset = settings.read(options)
    config = preset["unet"]
    settings.seed_everything(config["seed"], options.threads)
    random = np.random.default_rng(config["seed"])

    records, images = read_records(options.root), read_images(options.root)
    kept = [index for index, record in enumerate(records) if not record["held_out"]]
    records, images = [records[index] for index in kept], images[kept]
    tokenizer = WordTokenizer.from_folder(options.root / "tokenizer")
    captions = text.Captions(records, tokenizer, config)
    sampler = ConceptSampler(records, config["group_weights"])
    latents = encode_all(AutoencoderTiny.from_pretrained(options.root / "vae").eval(), images, autocast=False)
    settings.report(
        options.root, "latents", f"{tuple(latents.shape)} mean {latents.mean():.3f} deviation {latents.std():.3f}"
    )

    text_encoder = text.build(preset["text"], tokenizer.vocab_size)
    unet = build(config, preset["text"]["hidden_size"]).to(memory_format=torch.channels_last)
    table = alphas_cumprod(config)
    parameters = [*unet.parameters(), *text_encoder.parameters()]
    average = Average(parameters, config["ema_decay"])
    optimizer = torch.optim.AdamW(
        parameters, lr=config["learning_rate"], betas=(0.9, 0.99), weight_decay=config["weight_decay"], fused=True
    )
    path = options.root / "unet.ckpt"
    step, spent, seen = 0, 0.0, 0
    if (state := checkpoint.load(path)) is not None:
        unet.load_state_dict(state["unet"])
        text_encoder.load_state_dict(state["text_encoder"])
        optimizer.load_state_dict(state["optimizer"])
        average.values = state["average"]
        random.bit_generator.state = state["numpy_generator"]
        step, spent, seen = state["step"], state["spent"], state["images_seen"]

    def save() -> None:
        checkpoint.save(
            path,
            unet=unet.state_dict(),
            text_encoder=text_encoder.state_dict(),
            optimizer=optimizer.state_dict(),
            average=average.values,
            numpy_generator=random.bit_generator.state,
            step=step,
            spent=clock.spent,
            images_seen=seen,
        )

    seconds = spent + seconds_until(options.until) if options.until else 60 * (options.minutes or config["minutes"])
    clock = schedule.Clock(seconds, spent)
    next_line, next_save = clock.spent + 30, clock.spent + 120
    running, window = 0.0, 0
    window_start = clock.spent
    while clock.fraction < 1:
        rate = schedule.warm_up(step, config["warmup_steps"])
        rate *= schedule.constant_then_linear(clock.fraction, config["decay_from"])
        for group in optimizer.param_groups:
            group["lr"] = config["learning_rate"] * rate

        chosen = sampler.draw(config["batch_size"], random)
        input_ids = torch.tensor([captions.draw(index, random) for index in chosen])
        sample, timesteps, target = noisy_batch(latents[chosen], table)
        sample = sample.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=config["autocast"]):
            prediction = unet(sample, timesteps, text.embed(text_encoder, input_ids)).sample
        loss = F.mse_loss(prediction.float(), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(step)
        step, seen = step + 1, seen + len(chosen)
        running, window = running + loss.item(), window + 1

        if clock.spent > next_line:
            speed = window * config["batch_size"] / (clock.spent - window_start)
            settings.report(
                options.root,
                "unet",
                f"step {step} images {seen} loss {running / window:.4f} {speed:.1f} img/s lr {rate * config['learning_rate']:.1e}",
            )
            running, window, window_start = 0.0, 0, clock.spent
            next_line = clock.spent + 60
        if clock.spent > next_save:
            save()
            next_save = clock.spent + 60 * config["checkpoint_minutes"]
    save()
    settings.report(options.root, "unet", f"done: {seen} images in {clock.spent / 60:.1f} min")


if __name__ == "__main__":
    main()
