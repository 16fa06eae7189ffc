"""`python -m training.fashion.classifier`: trains the network whose opinions and features judge the samples."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from training import loop, settings
from training.fashion import data
from training.fashion.options import read

LARGEST_SHIFT = 2  # pixels


class Classifier(nn.Module):
    """f32[B, 1, 28, 28] in [-1, 1] -> class scores, by four convolutions and features of 4 * width."""

    def __init__(self, width: int):
        super().__init__()
        layers, inputs = [], 1
        for outputs, stride in ((width, 1), (width, 2), (2 * width, 1), (4 * width, 2)):
            layers += [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.GroupNorm(8, outputs), nn.ReLU()]
            inputs = outputs
        self.trunk = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, len(data.CLASSES))

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.trunk(pixels).mean(dim=(2, 3))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(pixels))


def shifted(images: np.ndarray, random: np.random.Generator) -> torch.Tensor:
    """f32[B, 1, 28, 28]: each picture moved a little, half of them mirrored."""
    padded = np.pad(images, ((0, 0), (LARGEST_SHIFT,) * 2, (LARGEST_SHIFT,) * 2))
    moves = random.integers(0, 2 * LARGEST_SHIFT + 1, size=(len(images), 2))
    flips = random.choice([1, -1], size=len(images))
    cut = [
        picture[down : down + 28, across : across + 28][:, ::flip]
        for picture, (down, across), flip in zip(padded, moves, flips, strict=True)
    ]
    return torch.from_numpy(np.stack(cut)).float().div_(127.5).sub_(1)[:, None]


def main() -> None:
    options = settings.training_parser(__doc__).parse_args()
    config = read(options)["classifier"]
    trainer = loop.Trainer("classifier", options, config)
    with trainer.accelerator.main_process_first():
        train = data.read(options.root, "train")

    def draw(random: np.random.Generator, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        chosen = random.integers(len(train.images), size=size)
        pixels = shifted(train.images[chosen], random).contiguous(memory_format=torch.channels_last)
        return pixels, torch.from_numpy(train.labels[chosen])

    def batch_loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        pixels, labels = (part.to(trainer.device) for part in batch)
        return F.cross_entropy(model(pixels).float(), labels)

    trainer.run(Classifier(config["width"]), draw, batch_loss)


if __name__ == "__main__":
    main()
