"""`python -m training.autoencoder`: trains diffusers' AutoencoderTiny on the premultiplied RGBA images.

64x64x4 -> 16x16x4 latents. Convolutions and ReLU only, no norms: small and quick on any backend.

The latents are standardised while training (a batch norm without parameters between encoder and decoder), so the
diffusion model meets mean 0 and deviation 1 in each channel. Afterwards the statistics of the whole data set are folded
into the encoder's last convolution: what is exported is a plain AutoencoderTiny with scaling_factor 1, shift_factor 0.
"""

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import nn

from training import loop, parallel, settings
from training.images import read_images, read_records, to_sample


def build(config: dict) -> AutoencoderTiny:
    channels = (config["channels"],) * len(config["encoder_blocks"])
    return AutoencoderTiny(
        in_channels=4,
        out_channels=4,
        encoder_block_out_channels=channels,
        decoder_block_out_channels=channels,
        num_encoder_blocks=tuple(config["encoder_blocks"]),
        num_decoder_blocks=tuple(config["decoder_blocks"]),
        latent_channels=config["latent_channels"],
        scaling_factor=1.0,
        shift_factor=0.0,
    )


@torch.no_grad()
def initialise(vae: AutoencoderTiny) -> None:
    """Without norms the scale of the activations is ours to keep: He weights, and residual branches that start small.

    From PyTorch's default weights the same network needs several times the steps to reach the same loss.
    """
    for layer in [*vae.encoder.layers, *vae.decoder.layers]:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
        for part in getattr(layer, "conv", []):
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)
        if hasattr(layer, "conv"):
            layer.conv[-1].weight.mul_(0.1)


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor, gradient_weight: float) -> torch.Tensor:
    """L1 + MSE + L1 of the horizontal and vertical differences, which is what keeps outlines sharp."""
    difference = output - target
    across = (difference[..., 1:] - difference[..., :-1]).abs().mean()
    down = (difference[..., 1:, :] - difference[..., :-1, :]).abs().mean()
    return difference.abs().mean() + difference.square().mean() + gradient_weight * (across + down)


@torch.no_grad()
def encode_all(vae: AutoencoderTiny, images, autocast: bool) -> torch.Tensor:
    """f32[N, 4, 16, 16]"""
    batches = []
    for start in range(0, len(images), 64):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            batches.append(vae.encoder(to_sample(images[start : start + 64])).float())
    return torch.cat(batches)


def fold_statistics(vae: AutoencoderTiny, latents: torch.Tensor) -> None:
    """Rescales the encoder's last convolution so that `latents`, which it made, would have mean 0 and deviation 1."""
    mean, std = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    last = vae.encoder.layers[-1]
    with torch.no_grad():
        last.weight.div_(std[:, None, None, None])
        last.bias.sub_(mean).div_(std)


@torch.no_grad()
def psnr(vae: AutoencoderTiny, images) -> float:
    """Mean over images of 10 log10(1 / MSE), on values in [0, 1], in f32."""
    values = []
    for start in range(0, len(images), 64):
        sample = to_sample(images[start : start + 64])
        output = vae.decoder(vae.encoder(sample)).clamp(-1, 1)
        error = ((output - sample) / 2).square().mean(dim=(1, 2, 3))
        values.append(-10 * torch.log10(error.clamp_min(1e-10)))
    return torch.cat(values).mean().item()


def work(rank: int, job: loop.Job, preset: dict, decoder_only: bool) -> None:
    """One training process."""
    config = job.config
    torch.set_num_threads(1)
    images, records = read_images(job.root), read_records(job.root)
    kept = np.array([index for index, record in enumerate(records) if not record["held_out"]])
    vae = build(preset["autoencoder"])
    standardise = nn.BatchNorm2d(config["latent_channels"], affine=False)
    fixed_latents = torch.load(job.root / "latents.pt") if decoder_only else None

    def batch_loss(random: np.random.Generator, size: int) -> torch.Tensor:
        chosen = kept[random.integers(len(kept), size=size)]
        sample = to_sample(images[chosen])
        with torch.autocast("cpu", torch.bfloat16, enabled=config["autocast"]):
            if decoder_only:
                latents = fixed_latents[chosen].contiguous(memory_format=torch.channels_last)
            else:
                if random.random() < 0.5:
                    sample = sample.flip(-1)
                latents = standardise(vae.encoder(sample).float())
            output = vae.decoder(latents + config["latent_noise"] * torch.randn_like(latents))
        # AutoencoderTiny's decoder squashes its input by 3 tanh(x / 3): values far outside would be lost.
        outside = (latents.abs() - 2.5).clamp_min(0).square().mean()
        return reconstruction_loss(output.float(), sample, config["gradient_loss"]) + 0.1 * outside

    loop.run(rank, job, [vae.decoder if decoder_only else vae], batch_loss)


def main() -> None:
    options = settings.training_parser(__doc__)
    options.add_argument(
        "--decoder-only",
        action="store_true",
        help="go on with the decoder of a finished autoencoder; its latents, and so a UNet trained on them, stay valid",
    )
    options = options.parse_args()
    preset = settings.read(options)
    config = preset["decoder" if options.decoder_only else "autoencoder"]
    settings.seed_everything(config["seed"], options.threads)
    images, records = read_images(options.root), read_records(options.root)
    held_out = np.array([record["held_out"] for record in records])

    if options.decoder_only:
        vae = AutoencoderTiny.from_pretrained(options.root / "vae")
        trained, stage = [vae.decoder], "decoder"
    else:
        vae = build(config)
        initialise(vae)
        trained, stage = [vae], "autoencoder"
    job = loop.launch(stage, options, config, trained, work, (preset, options.decoder_only))
    parallel.scatter(job.shared.average, trained)
    vae.eval()
    if not options.decoder_only:
        fold_statistics(vae, encode_all(vae, images[~held_out], autocast=False))
    vae.save_pretrained(options.root / "vae")
    job.checkpoint.unlink()
    train, test = psnr(vae, images[~held_out][:512]), psnr(vae, images[held_out])
    settings.report(options.root, stage, f"PSNR train {train:.2f} dB, held out {test:.2f} dB")


if __name__ == "__main__":
    main()
