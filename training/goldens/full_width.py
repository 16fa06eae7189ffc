"""Golden of Stable Diffusion 1.5's UNet at its full width: 860 million parameters from the formula, small latents.

    python -m training.goldens.full_width tests/goldens/models

Needs 6 GB. In float32, as diffusers ships it; once with the weights as they are, once as int8 storage gives them back.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel

from training.goldens import formula
from training.goldens.models import Logits, Recipe, channels_last, picture, vectors

FAMILY = "sd15_full_width"
HEIGHT, WIDTH, LENGTH, TIMESTEP = 16, 12, 77, 500.25


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    recipe = Recipe(parser.parse_args().out, FAMILY)
    with torch.device("meta"):
        module = UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    module.to_empty(device="cpu")
    module.eval()
    recipe.config("unet", module)
    for name, int8 in (("unet.model_output", False), ("unet.model_output_int8", True)):
        formula.fill(module, int8)
        with Logits() as logits:
            output = module(
                picture(f"{FAMILY}.sample", (1, HEIGHT, WIDTH, 4)),
                torch.tensor([TIMESTEP]),
                vectors(f"{FAMILY}.encoder_hidden_states", (1, LENGTH, 768)),
            ).sample
        assert logits.smallest >= 1, logits.smallest
        recipe.logits[name] = round(logits.smallest, 3)
        array = np.ascontiguousarray(channels_last(output).numpy(), dtype="<f4")
        (recipe.folder / f"{name}.f32").write_bytes(array.tobytes())
        recipe.shapes[name] = list(array.shape)
    recipe.write("python -m training.goldens.full_width tests/goldens/models")


if __name__ == "__main__":
    main()
