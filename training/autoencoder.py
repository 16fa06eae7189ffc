"""`python -m training.autoencoder`: trains diffusers' AutoencoderTiny on the premultiplied RGBA images.

64x64x4 -> 16x16x4 latents. Convolutions and ReLU only, no norms: small and quick on any backend.

The latents are standardised while training (a batch norm without parameters between encoder and decoder), so the
diffusion model meets mean 0 and deviation 1 in each channel. Afterwards the statistics of the whole data set are folded
into the encoder's last convolution: what is exported is a plain AutoencoderTiny with scaling_factor 1, shift_factor 0.
"""

import torch
from diffusers import AutoencoderTiny
from torch import nn
from torch.nn import functional as F

from training import checkpoint, schedule, settings
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


def main() -> None:
    options = settings.parser(__doc__)
    options.add_argument("--minutes", type=float, help="training time (default: the preset's)")
    options = options.parse_args()
    config = settings.read(options)["autoencoder"]
    settings.seed_everything(config["seed"], options.threads)

    images, records = read_images(options.root), read_records(options.root)
    held_out = torch.tensor([record["held_out"] for record in records]).numpy()
    train_images, test_images = images[~held_out], images[held_out]

    vae = build(config).to(memory_format=torch.channels_last)
    initialise(vae)
    standardise = nn.BatchNorm2d(config["latent_channels"], affine=False, momentum=0.02)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=config["learning_rate"], betas=(0.9, 0.99), weight_decay=1e-4, fused=True)
    path = options.root / "autoencoder.ckpt"
    step, spent = 0, 0.0
    if (state := checkpoint.load(path)) is not None:
        vae.load_state_dict(state["vae"])
        standardise.load_state_dict(state["standardise"])
        optimizer.load_state_dict(state["optimizer"])
        step, spent = state["step"], state["spent"]

    clock = schedule.Clock(60 * (options.minutes or config["minutes"]), spent)
    next_line, next_save, batch_size = clock.spent + 15, clock.spent + 120, config["batch_size"]
    while clock.fraction < 1:
        rate = schedule.warm_up(step, config["warmup_steps"]) * schedule.cosine(clock.fraction)
        for group in optimizer.param_groups:
            group["lr"] = config["learning_rate"] * rate

        sample = to_sample(train_images[torch.randint(len(train_images), (batch_size,)).numpy()])
        if torch.rand(()) < 0.5:
            sample = sample.flip(-1)
        with torch.autocast("cpu", torch.bfloat16, enabled=config["autocast"]):
            latents = standardise(vae.encoder(sample).float())
            noisy = latents + config["latent_noise"] * torch.randn_like(latents)
            output = vae.decoder(noisy)
        # AutoencoderTiny's decoder squashes its input by 3 tanh(x / 3): values far outside would be lost.
        outside = (latents.abs() - 2.5).clamp_min(0).square().mean()
        loss = reconstruction_loss(output.float(), sample, config["gradient_loss"]) + 0.1 * outside
        loss.backward()
        nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1

        if clock.spent > next_line:
            next_line = clock.spent + 30
            speed = batch_size * step / clock.spent
            settings.report(options.root, "autoencoder", f"step {step} loss {loss.item():.4f} {speed:.1f} img/s")
        if clock.spent > next_save:
            next_save = clock.spent + 120
            checkpoint.save(
                path,
                vae=vae.state_dict(),
                standardise=standardise.state_dict(),
                optimizer=optimizer.state_dict(),
                step=step,
                spent=clock.spent,
            )

    vae.eval()
    fold_statistics(vae, encode_all(vae, train_images, autocast=False))
    vae.save_pretrained(options.root / "vae")
    path.unlink(missing_ok=True)
    settings.report(
        options.root,
        "autoencoder",
        f"done: {step * batch_size} images in {clock.spent / 60:.1f} min, "
        f"PSNR train {psnr(vae, train_images[:512]):.2f} dB, held out {psnr(vae, test_images):.2f} dB",
    )


if __name__ == "__main__":
    main()
