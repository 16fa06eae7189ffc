"""`python -m training.autoencoder`: trains diffusers' AutoencoderTiny on the premultiplied RGBA images.

Four channels of pixels to latents of a preset's size. Convolutions and ReLU only, no norms: small and quick on any backend.

The latents are standardised while training (a batch norm without parameters between encoder and decoder), so the
diffusion model meets mean 0 and deviation 1 in each channel. Afterwards the statistics of the whole data set are folded
into the encoder's last convolution: what is exported is a plain AutoencoderTiny with scaling_factor 1, shift_factor 0.
"""

import json
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import nn

from training import initial, loop, reconstruction, settings
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


def reconstruction_loss(output: torch.Tensor, target: torch.Tensor, config: dict) -> torch.Tensor:
    """L1 + MSE + L1 of the horizontal and vertical differences, which is what keeps outlines sharp.

    Inside the drawing a pixel counts more than in the transparent part, which is easy and not what is looked at.
    """
    weight = torch.where(reconstruction.mask(target) > 0, 1.0, config["outside_weight"])
    weight = weight / weight.mean()
    difference = output - target
    across = ((difference[..., 1:] - difference[..., :-1]).abs() * weight[..., 1:]).mean()
    down = ((difference[..., 1:, :] - difference[..., :-1, :]).abs() * weight[..., 1:, :]).mean()
    absolute, square = (difference.abs() * weight).mean(), (difference.square() * weight).mean()
    return absolute + config["square_loss"] * square + config["gradient_loss"] * (across + down)


@torch.no_grad()
def encode_all(vae: AutoencoderTiny, images) -> torch.Tensor:
    """f32[N, latent_channels, height, width], on the CPU."""
    device = next(vae.parameters()).device
    batches = [vae.encoder(to_sample(images[i : i + 64], device)).float().cpu() for i in range(0, len(images), 64)]
    return torch.cat(batches)


def fold_statistics(vae: AutoencoderTiny, latents: torch.Tensor) -> None:
    """Rescales the encoder's last convolution so that `latents`, which it made, would have mean 0 and deviation 1."""
    last = vae.encoder.layers[-1]
    mean, std = (values.to(last.weight.device) for values in (latents.mean((0, 2, 3)), latents.std((0, 2, 3))))
    with torch.no_grad():
        last.weight.div_(std[:, None, None, None])
        last.bias.sub_(mean).div_(std)


@torch.no_grad()
def psnr(vae: AutoencoderTiny, images) -> tuple[float, float]:
    """Means over images of (reconstruction.psnr, reconstruction.whole_psnr)."""
    inside, whole, device = [], [], next(vae.parameters()).device
    for start in range(0, len(images), 64):
        sample = to_sample(images[start : start + 64], device)
        output = vae.decoder(vae.encoder(sample))
        inside.append(reconstruction.psnr(output, sample))
        whole.append(reconstruction.whole_psnr(output, sample))
    return torch.cat(inside).mean().item(), torch.cat(whole).mean().item()


@dataclass(frozen=True)
class Chosen:
    """A batch of pictures, and how it is varied: what makes a drawing again need not know what it is of."""

    indices: torch.Tensor
    mirrored: bool
    turned: bool  # over the diagonal
    colours: list[int]  # the order of red, green and blue

    @classmethod
    def draw(cls, kept: np.ndarray, size: int, random: np.random.Generator, varied_share: float) -> "Chosen":
        indices = torch.from_numpy(kept[random.integers(len(kept), size=size)])
        mirrored, turned, exchanged = random.random(3) < [0.5, varied_share, varied_share]
        return cls(indices, bool(mirrored), bool(turned), random.permutation(3).tolist() if exchanged else [0, 1, 2])

    def of(self, images: torch.Tensor) -> torch.Tensor:
        """f32[B, 4, H, W] of the uint8[N, H, W, 4], on their device."""
        chosen = images[self.indices.to(images.device, non_blocking=True)][..., [*self.colours, 3]]
        chosen = chosen.flip(2) if self.mirrored else chosen
        return to_sample(chosen.transpose(1, 2) if self.turned else chosen)


class Compression(nn.Module):
    """What is trained: the autoencoder with the standardisation between its halves, or its decoder alone."""

    def __init__(self, vae: AutoencoderTiny, config: dict, decoder_only: bool):
        super().__init__()
        self.vae, self.decoder_only, self.noise = vae, decoder_only, config["latent_noise"]
        self.standardise = nn.BatchNorm2d(vae.config.latent_channels, affine=False)
        if decoder_only:
            vae.encoder.requires_grad_(False)

    def forward(self, sample: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(reconstruction, latents)"""
        latents = self.vae.encoder(sample)
        if not self.decoder_only:
            latents = self.standardise(latents.float())
        return self.vae.decoder(latents + self.noise * torch.randn_like(latents)), latents


def main(arguments: list[str] | None = None) -> None:
    options = settings.training_parser(__doc__)
    options.add_argument(
        "--decoder-only",
        action="store_true",
        help="go on with the decoder of a finished autoencoder; its latents, and so a UNet trained on them, stay valid",
    )
    options.add_argument("--initial", metavar="MANIFEST", help="start from the autoencoder of a converted model")
    options = options.parse_args(arguments)
    preset = settings.read(options)
    stage = "decoder" if options.decoder_only else "autoencoder"
    config, root = preset[stage], options.root
    trainer = loop.Trainer(stage, options, config)
    images, records = read_images(root), read_records(root)
    held_out = np.array([record["held_out"] for record in records])
    kept, revision = np.flatnonzero(~held_out), None

    if options.decoder_only:
        vae = AutoencoderTiny.from_pretrained(root / "vae")
    else:
        vae = build(config)
        initialise(vae)
        if options.initial:
            revision = initial.load_autoencoder(vae, options.initial)
            trainer.report(f"starts from {revision}")

    on_device = torch.from_numpy(images).to(trainer.device)

    def draw(random: np.random.Generator, size: int) -> Chosen:
        return Chosen.draw(kept, size, random, config["varied_share"])

    def batch_loss(model: nn.Module, chosen: Chosen) -> torch.Tensor:
        sample = chosen.of(on_device)
        output, latents = model(sample)
        # AutoencoderTiny's decoder squashes its input by 3 tanh(x / 3): values far outside would be lost.
        outside = (latents.float().abs() - 2.5).clamp_min(0).square().mean()
        return reconstruction_loss(output.float(), sample, config) + 0.1 * outside

    model = Compression(vae, config, options.decoder_only).to(memory_format=torch.channels_last)
    run = trainer.run(model, draw, batch_loss, revision)
    if not trainer.main:
        return
    if not options.decoder_only:
        fold_statistics(vae, encode_all(vae, images[~held_out]))
    vae.save_pretrained(root / "vae")
    (root / f"{stage}.json").write_text(json.dumps(run) + "\n")
    trainer.path.unlink()
    for name, chosen in (("train", kept[::16]), ("held out", np.flatnonzero(held_out))):
        inside, whole = psnr(vae, images[chosen])
        trainer.report(f"{name}: PSNR {inside:.2f} dB inside the mask, {whole:.2f} dB whole, {len(chosen)} pictures")


if __name__ == "__main__":
    main()
