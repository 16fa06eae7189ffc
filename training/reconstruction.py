"""How close an autoencoder comes to a picture: the one figure that the report, the card and the tests share.

Most of a drawing's square is transparent and easy, so only the drawing counts: the composites over white, black and
grey are compared inside the picture's alpha, dilated by two pixels.
"""

import torch
from torch.nn import functional as F

BACKGROUNDS = (1.0, 0.0, 0.5)
DILATION = 2


def mask(sample: torch.Tensor) -> torch.Tensor:
    """f32[B, 1, H, W], 1 where the alpha of `sample` (premultiplied RGBA in [-1, 1]) is not zero within two pixels."""
    opaque = (sample[:, 3:] > -1 + 1e-6).float()
    return F.max_pool2d(opaque, 2 * DILATION + 1, stride=1, padding=DILATION)


def composite(sample: torch.Tensor, background: float) -> torch.Tensor:
    """f32[B, 3, H, W] in [0, 1]: what is seen over a grey of that value."""
    straight = (sample.clamp(-1, 1) + 1) / 2
    alpha = straight[:, 3:]
    return torch.minimum(straight[:, :3], alpha) + background * (1 - alpha)


def psnr(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """f32[B]: 10 log10(1 / MSE) of each picture, the error averaged over the three backgrounds and the mask."""
    inside = mask(target)
    differences = [composite(output, grey) - composite(target, grey) for grey in BACKGROUNDS]
    error = torch.stack([difference.square().mean(1, keepdim=True) for difference in differences]).mean(0)
    error = (error * inside).sum(dim=(1, 2, 3)) / inside.sum(dim=(1, 2, 3)).clamp_min(1)
    return -10 * torch.log10(error.clamp_min(1e-10))


def whole_psnr(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """f32[B]: over all four premultiplied channels of the whole square, transparent pixels included."""
    error = ((output.clamp(-1, 1) - target) / 2).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp_min(1e-10))
