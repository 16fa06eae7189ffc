"""`python -m training.sample <exported folder> <sheet.png>`: draws a contact sheet with diffusers' own sampler.

One row a prompt, one column a seed. Guidance is classifier-free: uncond + scale * (cond - uncond).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler, UNet2DConditionModel
from PIL import Image, ImageDraw

from training.images import over_white, to_bytes
from training.text import WordTableTextModel
from training.tokenizer import WordTokenizer

PROMPTS = [
    "a red apple", "green apple", "red heart", "cat face", "grinning face", "tree", "sun", "pizza", "fox", "rose",
    "snowman", "banana", "blue car", "dog", "house", "star", "rocket", "fish", "ghost", "crown",
]  # fmt: skip


class Model:
    def __init__(self, folder: Path):
        self.tokenizer = WordTokenizer.from_folder(folder / "tokenizer")
        self.text_encoder = WordTableTextModel.load(folder / "text_encoder")
        self.unet = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
        self.vae = AutoencoderTiny.from_pretrained(folder / "vae").eval()
        self.scheduler = DPMSolverMultistepScheduler.from_pretrained(folder / "scheduler")

    @torch.no_grad()
    def sample(self, prompts: list[str], steps: int, guidance_scale: float, seeds: list[int]) -> np.ndarray:
        """uint8[len(prompts), height, width, 4], premultiplied; one seed a prompt."""
        ids = torch.tensor([self.tokenizer(prompt) for prompt in prompts] + [self.tokenizer("")] * len(prompts))
        prompt_embeds = self.text_encoder(ids).last_hidden_state
        shape = (self.unet.config.in_channels, *2 * [self.unet.config.sample_size])
        sample = torch.stack(
            [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        )
        self.scheduler.set_timesteps(steps)
        for timestep in self.scheduler.timesteps:
            conditional, unconditional = self.unet(torch.cat([sample, sample]), timestep, prompt_embeds).sample.chunk(2)
            velocity = unconditional + guidance_scale * (conditional - unconditional)
            sample = self.scheduler.step(velocity, timestep, sample).prev_sample
        return to_bytes(self.vae.decode(sample).sample)


def sheet(rows: list[tuple[str, np.ndarray]], scale: int = 2) -> Image.Image:
    """Rows of pictures on white, each with its label at the left."""
    size = rows[0][1].shape[1] * scale
    canvas = Image.new("RGB", (120 + size * len(rows[0][1]), size * len(rows)), "white")
    draw = ImageDraw.Draw(canvas)
    for y, (label, pictures) in enumerate(rows):
        draw.text((4, y * size + size // 2 - 6), label, fill="black")
        for x, picture in enumerate(pictures):
            tile = Image.fromarray(over_white(picture)).resize((size, size), Image.NEAREST)
            canvas.paste(tile, (120 + x * size, y * size))
    return canvas


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("output", type=Path)
    options.add_argument("--prompt", action="append", help="may be given many times (default: a fixed list)")
    options.add_argument("--suffix", default="", help='added to each prompt, for example ", noto"')
    options.add_argument("--steps", type=int, default=10)
    options.add_argument("--guidance", type=float, default=4.0)
    options.add_argument("--columns", type=int, default=4, help="pictures a prompt")
    options.add_argument("--seed", type=int, default=0, help="of the first column")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--scale", type=int, default=2)
    options = options.parse_args()
    torch.set_num_threads(options.threads)

    model = Model(options.folder)
    rows = []
    for prompt in options.prompt or PROMPTS:
        seeds = [options.seed + column for column in range(options.columns)]
        prompts = [prompt + options.suffix] * options.columns
        rows.append((prompt, model.sample(prompts, options.steps, options.guidance, seeds)))
    sheet(rows, options.scale).save(options.output)


if __name__ == "__main__":
    main()
