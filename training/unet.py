"""`python -m training.unet`: trains the UNet and the text encoder together on the autoencoder's latents.

v prediction on a linear schedule whose last step is almost pure noise, so that sampling starts from where training
ended. The run ends at a wall-clock time (`--until 11:50` or `--minutes`), the learning rate falls to nothing just then.
"""

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from torch.nn import functional as F

from training import initial, loop, settings, text
from training import latents as latents_of
from training.images import read_images, read_records
from training.tokenizer import WordTokenizer
from training.word_vectors import WordTable


def build(config: dict, cross_attention_dim: int) -> UNet2DConditionModel:
    """16x16 -> 8x8 -> 4x4. Text enters at 8x8 and, in the middle, at 4x4.

    diffusers reads `attention_head_dim` as the number of heads (its own documented misnomer), so that is what we give.
    """
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=config["latent_channels"],
        out_channels=config["latent_channels"],
        block_out_channels=tuple(config["block_out_channels"]),
        layers_per_block=config["layers_per_block"],
        down_block_types=tuple(config["down_block_types"]),
        mid_block_type="UNetMidBlock2DCrossAttn",
        up_block_types=tuple(config["up_block_types"]),
        attention_head_dim=config["attention_heads"],
        use_linear_projection=True,
        norm_num_groups=config["norm_num_groups"],
        dropout=config["dropout"],
        cross_attention_dim=cross_attention_dim,
    )


def alphas_cumprod(config: dict) -> torch.Tensor:
    """f32[num_train_timesteps]"""
    betas = torch.linspace(
        config["beta_start"], config["beta_end"], config["num_train_timesteps"], dtype=torch.float64
    )
    return torch.cumprod(1 - betas, dim=0).float()


class ConceptSampler:
    """Draws a base concept, then a skin tone if it has them, then a drawing; the common concepts get a fixed share.

    By picture instead of by concept, a few groups with many variants would take most of the training.
    """

    def __init__(self, records: list[dict], common_share: float, untoned_share: float, often: dict[str, float] | None = None):
        """`often`: of bases that are not common, how often each is asked for, up to a factor."""
        drawings: dict[str, dict[int | None, list[int]]] = {}
        for index, record in enumerate(records):
            drawings.setdefault(record["base"], {}).setdefault(record["tone"], []).append(index)
        self.drawings = [list(tones.values()) for tones in drawings.values()]
        self.untoned_share = untoned_share
        # The square root of the number of drawings: a concept with few is learned with less.
        weights = np.sqrt([sum(map(len, tones.values())) for tones in drawings.values()])
        common_bases = {record["base"] for record in records if record["common"]}
        common = np.array([base in common_bases for base in drawings])
        weights[common] *= common_share / weights[common].sum()
        if often:
            weights *= [1.0 if shared else often[base] for base, shared in zip(drawings, common, strict=True)]
        if not common.all():
            weights[~common] *= (1 - common_share) / weights[~common].sum()
        self.probabilities = weights / weights.sum()

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        chosen = []
        for concept in random.choice(len(self.drawings), size=count, p=self.probabilities):
            untoned, *toned = self.drawings[concept]
            if toned and random.random() > self.untoned_share:
                untoned = toned[random.integers(len(toned))]
            chosen.append(untoned[random.integers(len(untoned))])
        return np.array(chosen)


def noisy_batch(latents: torch.Tensor, table: torch.Tensor, timestep_power: float = 1.0):
    """(sample, timesteps, v target) of a batch of clean latents.

    Timesteps are stratified: each batch covers the whole range, which makes the loss less noisy at no cost. A power
    above one visits the low half more often: on a linear schedule the upper half is almost pure noise.
    """
    batch = len(latents)
    places = (torch.arange(batch, device=latents.device) + torch.rand(batch, device=latents.device)) / batch
    timesteps = (places**timestep_power * len(table)).long().clamp_max(len(table) - 1)
    alpha = table[timesteps].sqrt()[:, None, None, None]
    sigma = (1 - table[timesteps]).sqrt()[:, None, None, None]
    noise = torch.randn_like(latents)
    return alpha * latents + sigma * noise, timesteps, alpha * noise - sigma * latents


class Denoiser(nn.Module):
    """What is trained together: UNet and text encoder."""

    def __init__(self, preset: dict, vocab_size: int):
        super().__init__()
        self.unet = build(preset["unet"], preset["text"]["hidden_size"])
        self.text_encoder = text.build(preset["text"], vocab_size)

    def forward(self, sample: torch.Tensor, timesteps: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        return self.unet(sample, timesteps, text.embed(self.text_encoder, input_ids)).sample


def main(arguments: list[str] | None = None) -> None:
    options = settings.training_parser(__doc__)
    options.add_argument("--initial", metavar="MANIFEST", help="start from the weights of a converted model")
    options = options.parse_args(arguments)
    preset = settings.read(options)
    config, root = preset["unet"], options.root
    trainer = loop.Trainer("unet", options, config)
    vae = AutoencoderTiny.from_pretrained(root / "vae").eval().to(trainer.device)
    with trainer.accelerator.main_process_first():
        latents = latents_of.of_all(root, vae, read_images(root))

    records = read_records(root)
    kept = [index for index, record in enumerate(records) if not record["held_out"]]
    records, latents = [records[index] for index in kept], latents[kept].contiguous().to(trainer.device)
    tokenizer = WordTokenizer.from_folder(root / "tokenizer")
    captions = text.Captions(records, tokenizer, config)
    sampler = ConceptSampler(records, config["common_share"], config["untoned_share"])
    table = alphas_cumprod(config).to(trainer.device)
    model = Denoiser(preset, tokenizer.vocab_size)
    model.text_encoder.embeddings.start_from(WordTable.load(root / "word_table.npz"))
    revision = None
    if options.initial:
        counts = text.word_counts(captions, sampler, config["seed"])
        revision = initial.load_denoiser(model, tokenizer, counts, options.initial)
    if trainer.device.type == "cpu":
        # Plain matrix products: on a CPU, at these sizes, a tenth quicker to train than the fused attention. For the
        # same reason nothing there is channels last: that is 15 % slower, mostly in the group norms.
        model.unet.set_attn_processor(AttnProcessor())
    else:
        model.unet.to(memory_format=torch.channels_last)

    def draw(random: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = sampler.draw(size, random)
        return torch.from_numpy(chosen), torch.tensor([captions.draw(index, random) for index in chosen])

    def batch_loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        chosen, input_ids = (part.to(trainer.device, non_blocking=True) for part in batch)
        sample, timesteps, target = noisy_batch(latents[chosen], table, config["timestep_power"])
        prediction = model(sample, timesteps, input_ids)
        return F.mse_loss(prediction.float(), target)

    trainer.run(model, draw, batch_loss, revision)


if __name__ == "__main__":
    main()
