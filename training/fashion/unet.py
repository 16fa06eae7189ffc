"""`python -m training.fashion.unet`: trains the benchmark's network, on the default model's schedule, to predict v."""

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch.nn import functional as F

from training import loop, settings
from training.fashion import data
from training.fashion.options import read
from training.unet import alphas_cumprod, noisy_batch


class Network(nn.Module):
    """14x14 -> 7x7, with the class added to the timestep's embedding; nothing attends to a text."""

    def __init__(self, config: dict):
        super().__init__()
        self.unet = UNet2DConditionModel(
            sample_size=14,
            in_channels=4,
            out_channels=4,
            block_out_channels=tuple(config["block_out_channels"]),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            mid_block_type="UNetMidBlock2D",
            up_block_types=("UpBlock2D", "UpBlock2D"),
            attention_head_dim=config["attention_heads"],
            norm_num_groups=config["norm_num_groups"],
            num_class_embeds=data.ANY_CLASS + 1,
        )

    def forward(self, sample: torch.Tensor, timesteps: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        return self.unet(sample, timesteps, encoder_hidden_states=None, class_labels=classes).sample


def main() -> None:
    options = settings.training_parser(__doc__).parse_args()
    config = read(options)["unet"]
    trainer = loop.Trainer("unet", options, config)
    with trainer.accelerator.main_process_first():
        train = data.read(options.root, "train")
    table = alphas_cumprod(config).to(trainer.device)

    def draw(random: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = random.integers(len(train.images), size=size)
        classes = np.where(random.random(size) < config["class_dropout"], data.ANY_CLASS, train.labels[chosen])
        return data.to_sample(train.images[chosen]), torch.from_numpy(classes)

    def batch_loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        clean, classes = (part.to(trainer.device) for part in batch)
        sample, timesteps, target = noisy_batch(clean, table)
        prediction = model(sample.contiguous(memory_format=torch.channels_last), timesteps, classes)
        return F.mse_loss(prediction.float(), target)

    trainer.run(Network(config), draw, batch_loss)


if __name__ == "__main__":
    main()
