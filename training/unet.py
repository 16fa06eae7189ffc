"""`python -m training.unet`: trains the UNet and the text encoder together on the autoencoder's latents.

v prediction on a linear schedule whose last step is almost pure noise, so that sampling starts from where training
ended. The run ends at a wall-clock time (`--until 11:50` or `--minutes`), the learning rate falls to nothing just then.
"""

import numpy as np
import torch
from diffusers import AutoencoderTiny, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.nn import functional as F

from training import loop, settings, text
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
    """Draws a concept by the weight of its group, then one of its drawings evenly; favourites get a fixed share.

    By picture instead of by concept, a few groups with many variants would take most of the training.
    """

    def __init__(self, records: list[dict], group_weights: dict[str, float], favourites: dict):
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
        labels = {record["hexcode"]: record["label"] for record in records}
        favourite = np.array([labels[code] in favourites["labels"] for code in drawings])
        weights[favourite] *= favourites["share"] / weights[favourite].sum()
        weights[~favourite] *= (1 - favourites["share"]) / weights[~favourite].sum()
        self.probabilities = weights / weights.sum()

    def draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        concepts = random.choice(len(self.drawings), size=count, p=self.probabilities)
        return np.array([random.choice(self.drawings[concept]) for concept in concepts])


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


def work(rank: int, job: loop.Job, preset: dict) -> None:
    """One training process."""
    config = job.config
    torch.set_num_threads(1)
    records, latents = read_records(job.root), torch.load(job.root / "latents.pt")
    kept = [index for index, record in enumerate(records) if not record["held_out"]]
    records, latents = [records[index] for index in kept], latents[kept]
    tokenizer = WordTokenizer.from_folder(job.root / "tokenizer")
    captions = text.Captions(records, tokenizer, config)
    sampler = ConceptSampler(records, config["group_weights"], config["favourites"])
    table = alphas_cumprod(config)
    unet, text_encoder = modules(preset, tokenizer.vocab_size)
    # Plain matrix products: on a CPU, at these sizes, a fifth quicker to train than the fused attention.
    unet.set_attn_processor(AttnProcessor())

    def batch_loss(random: np.random.Generator, size: int) -> torch.Tensor:
        chosen = sampler.draw(size, random)
        input_ids = torch.tensor([captions.draw(index, random) for index in chosen])
        sample, timesteps, target = noisy_batch(latents[chosen], table)
        sample = sample.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=config["autocast"]):
            prediction = unet(sample, timesteps, text.embed(text_encoder, input_ids)).sample
        return F.mse_loss(prediction.float(), target)

    loop.run(rank, job, [unet, text_encoder], batch_loss)


def modules(preset: dict, vocab_size: int) -> list[torch.nn.Module]:
    """[unet, text_encoder]: the order of their weights in a checkpoint."""
    return [build(preset["unet"], preset["text"]["hidden_size"]), text.build(preset["text"], vocab_size)]


def main() -> None:
    options = settings.training_parser(__doc__).parse_args()
    preset = settings.read(options)
    settings.seed_everything(preset["unet"]["seed"], options.threads)
    if not (options.root / "latents.pt").exists():
        vae = AutoencoderTiny.from_pretrained(options.root / "vae").eval()
        torch.save(encode_all(vae, read_images(options.root), autocast=False), options.root / "latents.pt")
    vocab_size = WordTokenizer.from_folder(options.root / "tokenizer").vocab_size
    loop.launch("unet", options, preset["unet"], modules(preset, vocab_size), work, (preset,))


if __name__ == "__main__":
    main()
