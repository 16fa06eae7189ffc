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

from training.evaluate import networks
from training.goldens_solver import philox

PROMPT, NEGATIVE_PROMPT = "a red apple", ""
STEPS, GUIDANCE_SCALE, SEED = 10, 4.0, 7
TIMESTEPS = [999.0, 500.0, 20.0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    torch.set_grad_enabled(False)
    model = networks.load(arguments.manifest)
    goldens = Goldens(arguments.out)
    generator = torch.Generator().manual_seed(SEED)
    embeds = text_encoder(goldens, model)
    unet(goldens, model, embeds, generator)
    autoencoder(goldens, model, generator)
    final_latents(goldens, model, embeds, generator)
    goldens.write_recipe(model.manifest)


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


def text_encoder(goldens, model):
    prompts = [NEGATIVE_PROMPT, PROMPT]
    embeds = model.prompt_embeds(prompts)
    goldens.add("input_ids", model.input_ids(prompts).numpy())
    goldens.add("last_hidden_state", embeds.numpy())
    return embeds


def unet(goldens, model, embeds, generator):
    sample = torch.randn((2, *model.latent_shape), generator=generator)
    goldens.add_picture("unet_sample", sample)
    for index, timestep in enumerate(TIMESTEPS):
        output = model.unet(sample, timestep, encoder_hidden_states=embeds).sample
        goldens.add_picture(f"unet_output_{index}", output)


def autoencoder(goldens, model, generator):
    latents = torch.randn((1, *model.latent_shape), generator=generator)
    decoded = model.decode(latents)
    goldens.add_picture("decoder_latents", latents)
    goldens.add_picture("decoder_sample", decoded)
    goldens.add_picture("encoder_latents", model.encode(decoded.clamp(-1, 1)))


def final_latents(goldens, model, embeds, generator):
    shape = (1, *model.latent_shape)
    noise = torch.randn(shape, generator=generator)
    goldens.add_picture("noise", noise)
    drawn = philox.normals(SEED, 0, 0, noise.numel())
    seed_noise = torch.tensor(drawn, dtype=torch.float32).reshape(shape)
    goldens.add_picture("seed_noise", seed_noise)
    multistep = model.scheduler(diffusers.DPMSolverMultistepScheduler)
    ddim = model.scheduler(diffusers.DDIMScheduler, clip_sample=False, set_alpha_to_one=True)
    goldens.add_picture("latents_dpmpp_2m", sample(multistep, model.unet, noise, embeds, STEPS))
    goldens.add_picture("seed_latents", sample(multistep, model.unet, seed_noise, embeds, 1))
    goldens.add_picture("latents_ddim", sample(ddim, model.unet, noise, embeds, STEPS))


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
