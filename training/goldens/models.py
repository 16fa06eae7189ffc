"""Goldens of the networks: what diffusers and transformers make of weights and inputs from a formula.

    python -m training.goldens.models tests/goldens/models

Writes, for each family of families.py, the configs that diffusers saves, the outputs as raw little-endian f32 arrays
(channels last), and recipe.json with their shapes. The networks run in float64, so that the goldens carry no rounding but
that of timesteps to sinusoids, which diffusers does in float32; how far its float32 is from that is in the recipe.
"""

import argparse
import copy
import json
import tempfile
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

from training.goldens import formula
from training.goldens.families import FAMILIES

TIMESTEPS = (999.0, 500.25, 3.0)
# Sizes differ between height and width, so that swapping them shows. Batch, latent height and width, tokens.
UNET_SIZES = {
    "default": (3, 16, 12, 16),
    "sd15": (3, 7, 9, 20),
    "sd2x": (3, 8, 16, 16),
    "options_a": (3, 8, 12, 9),
    "options_b": (3, 7, 5, 6),
}
VAE_SIZES = {"default": (1, 8, 6), "sd15": (2, 3, 4), "sd2x": (1, 5, 6), "options_a": (1, 4, 6), "options_b": (1, 2, 3)}
# In latents: a picture of three rows and columns of tiles, those at the edges smaller.
TILED_SIZES = {"sd2x": (1, 15, 13)}
TILE = 8
TEXT_SIZES = {"default": (3, 16), "sd15": (2, 20), "sd2x": (2, 16), "options_a": (2, 9)}
SECOND_BRANCH = {"length": 4, "width": 10, "scale": 0.75}
CLASS_WIDTH = 11

torch.set_grad_enabled(False)


def picture(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The formula's numbers are channels last; torch wants [B, C, H, W]."""
    return torch.from_numpy(formula.normal_input(name, shape)).permute(0, 3, 1, 2)


def vectors(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.from_numpy(formula.normal_input(name, shape))


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.permute(0, 2, 3, 1)


class Logits:
    """Watches attention: the smallest standard deviation of its logits over all calls."""

    def __init__(self):
        self.original = torch.nn.functional.scaled_dot_product_attention
        self.smallest = None

    def __enter__(self):
        def watched(query, key, *arguments, **options):
            std = (query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5).std().item()
            self.smallest = std if self.smallest is None else min(std, self.smallest)
            return self.original(query, key, *arguments, **options)

        torch.nn.functional.scaled_dot_product_attention = watched
        return self

    def __exit__(self, *_):
        torch.nn.functional.scaled_dot_product_attention = self.original


class Recipe:
    """A family's folder."""

    def __init__(self, folder: Path, family: str):
        self.folder = folder / family
        self.folder.mkdir(parents=True, exist_ok=True)
        self.shapes, self.logits, self.distances = {}, {}, {}

    def network(self, name: str, module, evaluate) -> None:
        """Runs `evaluate(module, dtype)`, a dict of outputs, in both precisions and writes what it gives."""
        formula.fill(module)
        module.eval()
        self.config(name, module)
        single = evaluate(module, torch.float32)
        with Logits() as logits:
            double = evaluate(copy.deepcopy(module).double(), torch.float64)
        if logits.smallest is not None:
            assert logits.smallest >= 1, f"{self.folder.name}/{name}: attention logits deviate by {logits.smallest}"
            self.logits[name] = round(logits.smallest, 3)
        for output, values in double.items():
            golden = f"{name}.{output}"
            array = np.ascontiguousarray(values.numpy(), dtype="<f4")
            (self.folder / f"{golden}.f32").write_bytes(array.tobytes())
            self.shapes[golden] = list(array.shape)
            distance = (single[output].double() - values).norm() / values.norm()
            self.distances[golden] = float(f"{distance.item():.1e}")

    def config(self, name: str, module) -> None:
        with tempfile.TemporaryDirectory() as folder:
            module.save_config(folder) if hasattr(module, "save_config") else module.config.save_pretrained(folder)
            config = json.loads((Path(folder) / "config.json").read_text())
        if name == "text_encoder":
            config["architectures"] = [type(module).__name__]
        (self.folder / f"{name}.json").write_text(json.dumps(config, indent=1) + "\n")

    def write(self, command: str) -> None:
        recipe = {
            "command": command,
            "versions": {library.__name__: library.__version__ for library in (torch, diffusers, transformers, np)},
            "shapes": self.shapes,
            "smallest_std_of_attention_logits": self.logits,
            "relative_distance_of_float32": self.distances,
        }
        (self.folder / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n")


def text_encoder(family: str, module, dtype) -> dict:
    batch, length = TEXT_SIZES[family]
    ids = formula.id_input(f"{family}.input_ids", (batch, length), module.config.vocab_size)
    output = module(torch.from_numpy(ids), output_hidden_states=True)
    skipped = module.final_layer_norm(output.hidden_states[-2])
    return {
        "last_hidden_state": output.last_hidden_state,
        "clip_skip_1": skipped,
        "hidden_states.1": output.hidden_states[1],
    }


def decoded_and_encoded(family: str, module, dtype) -> dict:
    batch, height, width = VAE_SIZES[family]
    config = module.config
    scaling, shift = config.scaling_factor, config.shift_factor or 0.0
    factor = 2 ** (len(config.block_out_channels) - 1)
    latents = picture(f"{family}.latents", (batch, height, width, config.latent_channels)).to(dtype)
    sample = picture(f"{family}.picture", (batch, height * factor, width * factor, config.in_channels)).to(dtype)
    decoded = module.decode(latents / scaling + shift).sample
    encoded = module.encode(sample)
    if not hasattr(encoded, "latent_dist"):
        return {
            "decoded": channels_last(decoded),
            "encoded": channels_last((encoded.latents - shift) * scaling),
        }
    moments = encoded.latent_dist.parameters.chunk(2, dim=1)
    outputs = {
        "decoded": channels_last(decoded),
        "encoded": channels_last((encoded.latent_dist.mode() - shift) * scaling),
        "logvar": channels_last(moments[1]),
    }
    if family in TILED_SIZES:
        shape = (*TILED_SIZES[family], config.latent_channels)
        latents = picture(f"{family}.tiled_latents", shape).to(dtype)
        module.tile_latent_min_size, module.tile_sample_min_size = TILE, TILE * factor
        outputs["tiled"] = channels_last(module.tiled_decode(latents / scaling + shift).sample)
    return outputs


def unet(family: str, module, dtype) -> dict:
    batch, height, width, length = UNET_SIZES.get(family, (3, 6, 4, 0))
    config = module.config
    call = {
        "sample": picture(f"{family}.sample", (batch, height, width, config.in_channels)).to(dtype),
        "timestep": torch.tensor(TIMESTEPS, dtype=torch.float32),
        "encoder_hidden_states": None,
    }
    if length:
        shape = (batch, length, config.cross_attention_dim)
        call["encoder_hidden_states"] = vectors(f"{family}.encoder_hidden_states", shape).to(dtype)
    if config.num_class_embeds:
        labels = formula.id_input(f"{family}.class_labels", (batch,), config.num_class_embeds)
        call["class_labels"] = torch.from_numpy(labels)
    elif config.class_embed_type == "timestep":
        call["class_labels"] = torch.tensor(TIMESTEPS, dtype=torch.float32).flip(0)
    elif config.class_embed_type:
        labels = CLASS_WIDTH if "projection" in config.class_embed_type else 4 * config.block_out_channels[0]
        call["class_labels"] = vectors(f"{family}.class_labels", (batch, labels)).to(dtype)
    if config.time_cond_proj_dim:
        shape = (batch, config.time_cond_proj_dim)
        call["timestep_cond"] = vectors(f"{family}.timestep_cond", shape).to(dtype)
    if family != "options_b":
        return {"model_output": channels_last(module(**call).sample)}
    return everything_at_once(family, module, dtype, call, (batch, height, width))


def everything_at_once(family: str, module, dtype, call: dict, size: tuple[int, int, int]) -> dict:
    """Residuals for each block, a second text branch, and several outputs."""
    batch, height, width = size
    half = ((height + 1) // 2, (width + 1) // 2)
    first, second = module.config.block_out_channels
    shapes = [(height, width, first), (height, width, first), (*half, first), (*half, second)]
    call["down_block_additional_residuals"] = [
        picture(f"{family}.down_block_additional_residuals.{index}", (batch, *shape)).to(dtype)
        for index, shape in enumerate(shapes)
    ]
    call["mid_block_additional_residual"] = picture(
        f"{family}.mid_block_additional_residual", (batch, *half, second)
    ).to(dtype)
    shape = (batch, SECOND_BRANCH["length"], SECOND_BRANCH["width"])
    image = vectors(f"{family}.encoder_hidden_states_2", shape).to(dtype)
    call["encoder_hidden_states"] = (call["encoder_hidden_states"], [image])

    features = {}
    handles = [
        block.register_forward_hook(lambda _, __, output, name=name: features.update({name: output}))
        for name, block in (
            ("down_blocks.0", module.down_blocks[0]),
            ("mid_block", module.mid_block),
            ("up_blocks.0", module.up_blocks[0]),
        )
    ]
    outputs = {"model_output": channels_last(module(**call).sample)}
    for handle in handles:
        handle.remove()
    for name, feature in features.items():
        outputs[name] = channels_last(feature[0] if isinstance(feature, tuple) else feature)
    return outputs


def add_second_branch(module) -> None:
    processors = {}
    for name, processor in module.attn_processors.items():
        attention = module.get_submodule(name.removesuffix(".processor"))
        if name.endswith("attn2.processor"):
            processor = IPAdapterAttnProcessor2_0(
                hidden_size=attention.inner_dim,
                cross_attention_dim=SECOND_BRANCH["width"],
                num_tokens=(SECOND_BRANCH["length"],),
                scale=SECOND_BRANCH["scale"],
            )
        processors[name] = processor
    module.set_attn_processor(processors)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    evaluations = {"text_encoder": text_encoder, "unet": unet, "vae": decoded_and_encoded}
    for family, build in FAMILIES.items():
        recipe = Recipe(out, family)
        networks = build()
        if family == "options_b":
            add_second_branch(networks["unet"])
        for name, module in networks.items():
            recipe.network(name, module, lambda module, dtype: evaluations[name](family, module, dtype))
        recipe.write("python -m training.goldens.models tests/goldens/models")
        print(family, recipe.logits, recipe.distances)


if __name__ == "__main__":
    main()
