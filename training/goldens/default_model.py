"""Goldens of the default model: what PyTorch and diffusers make of the shards that ship.

    python -m training.goldens.default_model www/models/default/manifest.json tests/goldens/default

Writes raw little-endian f32 arrays, channels last, and recipe.json with their shapes. The weights are the
dequantised ones, so the goldens test the arithmetic and not the quantisation. Run it again whenever the
default model changes; tests compare the model's revision with the recipe's.
"""

import argparse
import json
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers

from training import manifest as shards
from training.goldens_solver import philox
from training.tokenizer import WordTokenizer

PROMPT, NEGATIVE_PROMPT = "a red apple", ""
STEPS, GUIDANCE_SCALE, SEED = 10, 4.0, 7
TIMESTEPS = [999.0, 500.0, 20.0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    manifest, weights = shards.load(arguments.manifest)
    goldens = Goldens(arguments.out)
    networks = build(manifest, weights)
    generator = torch.Generator().manual_seed(SEED)
    embeds = text_encoder(goldens, manifest, networks)
    unet(goldens, networks, embeds, generator)
    autoencoder(goldens, manifest, networks, generator)
    final_latents(goldens, manifest, networks, embeds, generator)
    goldens.write_recipe(manifest)


class Goldens:
    """A folder of arrays, and the recipe that names them."""

    def __init__(self, folder):
        self.folder, self.shapes = folder, {}
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name, values):
        values = np.ascontiguousarray(values, dtype="<f4")
        (self.folder / f"{name}.f32").write_bytes(values.tobytes())
        self.shapes[name] = list(values.shape)

    def add_picture(self, name, values):
        """[B, C, H, W] here, [B, H, W, C] in the file."""
        self.add(name, values.numpy().transpose(0, 2, 3, 1))

    def write_recipe(self, manifest):
        versions = {m.__name__: m.__version__ for m in (torch, diffusers, transformers, np)}
        recipe = {
            "command": "python -m training.goldens.default_model www/models/default/manifest.json tests/goldens/default",
            "model": manifest["name"],
            "revision": manifest["revision"],
            "prompt": PROMPT,
            "negativePrompt": NEGATIVE_PROMPT,
            "steps": STEPS,
            "seed": SEED,
            "schedule": manifest["scheduler"]["timestep_spacing"],
            "guidanceScale": GUIDANCE_SCALE,
            "timesteps": TIMESTEPS,
            "versions": versions,
            "shapes": self.shapes,
        }
        (self.folder / "recipe.json").write_text(json.dumps(recipe, indent=2) + "\n")


def build(manifest, weights):
    """The networks in f32, with the shipped weights."""
    configs = {c["name"]: c["config"] for c in manifest["components"]}
    text_config = transformers.CLIPTextConfig(**configs["text_encoder"])
    unet = diffusers.UNet2DConditionModel.from_config(configs["unet"])
    autoencoder_class = getattr(diffusers, configs["vae_decoder"]["_class_name"])
    autoencoder = autoencoder_class.from_config(configs["vae_decoder"])
    parts = {
        "text_encoder": (transformers.CLIPTextModel(text_config), weights["text_encoder"]),
        "unet": (unet, weights["unet"]),
        "autoencoder": (autoencoder, weights["vae_decoder"] | weights["vae_encoder"]),
    }
    for module, tensors in parts.values():
        load_weights(module, tensors)
    return {name: module.eval() for name, (module, _) in parts.items()}


def load_weights(module, tensors):
    """Every parameter of the module must be among the tensors. Some releases of transformers keep a
    `text_model.` prefix that others drop."""
    wanted = module.state_dict()
    given = {name.removeprefix("text_model."): torch.from_numpy(value) for name, value in tensors.items()}
    state = {}
    for name, value in wanted.items():
        key = name.removeprefix("text_model.")
        if key.endswith("position_ids"):
            state[name] = value
        else:
            state[name] = given[key].reshape(value.shape)
    module.load_state_dict(state)


def input_ids(manifest, prompt):
    files = {name: json.loads(text) for name, text in manifest["tokenizer"].items()}
    length = files["tokenizer_config.json"]["model_max_length"]
    return WordTokenizer(**files["words.json"], model_max_length=length)(prompt)


def text_encoder(goldens, manifest, networks):
    ids = torch.tensor([input_ids(manifest, NEGATIVE_PROMPT), input_ids(manifest, PROMPT)])
    embeds = networks["text_encoder"](ids).last_hidden_state
    goldens.add("input_ids", ids.numpy())
    goldens.add("last_hidden_state", embeds.numpy())
    return embeds


def unet(goldens, networks, embeds, generator):
    config = networks["unet"].config
    shape = (2, config.in_channels, config.sample_size, config.sample_size)
    sample = torch.randn(shape, generator=generator)
    goldens.add_picture("unet_sample", sample)
    for index, timestep in enumerate(TIMESTEPS):
        output = networks["unet"](sample, timestep, encoder_hidden_states=embeds).sample
        goldens.add_picture(f"unet_output_{index}", output)


def autoencoder(goldens, manifest, networks, generator):
    module = networks["autoencoder"]
    config, unet_config = module.config, networks["unet"].config
    shape = (1, config.latent_channels, unet_config.sample_size, unet_config.sample_size)
    latents = torch.randn(shape, generator=generator)
    shift = getattr(config, "shift_factor", None) or 0.0
    decoded = module.decode(latents / config.scaling_factor + shift).sample
    goldens.add_picture("decoder_latents", latents)
    goldens.add_picture("decoder_sample", decoded)
    picture = decoded.clamp(-1, 1)
    encoded = module.encode(picture)
    mean = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
    goldens.add_picture("encoder_sample", picture)
    goldens.add_picture("encoder_latents", (mean - shift) * config.scaling_factor)


def final_latents(goldens, manifest, networks, embeds, generator):
    config = networks["unet"].config
    shape = (1, config.in_channels, config.sample_size, config.sample_size)
    noise = torch.randn(shape, generator=generator)
    goldens.add_picture("noise", noise)
    schedulers = {
        "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
        "ddim": diffusers.DDIMScheduler,
    }
    drawn = philox.normals(SEED, 0, 0, noise.numel())
    seed_noise = torch.tensor(drawn, dtype=torch.float32).reshape(shape)
    goldens.add_picture("seed_noise", seed_noise)
    for name, scheduler_class in schedulers.items():
        accepted = set(scheduler_class().config)
        settings = {k: v for k, v in manifest["scheduler"].items() if k in accepted and not k.startswith("_")}
        if name == "ddim":
            settings |= {"clip_sample": False, "set_alpha_to_one": True}
        latents = sample(scheduler_class(**settings), networks["unet"], noise, embeds, STEPS)
        goldens.add_picture(f"latents_{name}", latents)
        if name == "dpmpp_2m":
            one_step = sample(scheduler_class(**settings), networks["unet"], seed_noise, embeds, 1)
            goldens.add_picture("seed_latents", one_step)


def sample(scheduler, network, noise, embeds, steps):
    scheduler.set_timesteps(steps)
    latents = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        model_input = scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        uncond, cond = network(model_input, timestep, encoder_hidden_states=embeds).sample.chunk(2)
        guided = uncond + GUIDANCE_SCALE * (cond - uncond)
        latents = scheduler.step(guided, timestep, latents).prev_sample
    return latents


if __name__ == "__main__":
    main()
