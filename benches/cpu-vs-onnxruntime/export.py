"""Exports a UNet2DConditionModel folder to ONNX at fixed shapes.

    python export.py <unet folder> <out.onnx> [--batch 2] [--size 16] [--tokens 16]

Needs torch, diffusers, onnx and onnxscript. The ONNX model takes `sample [B, C, h, w]`, `timestep [B]` and
`encoder_hidden_states [B, L, D]`, and gives `model_output [B, C, h, w]`. Fixed shapes let onnxruntime fold what
it can: the comparison is with the peer at its best.
"""

import argparse

import torch
from diffusers import UNet2DConditionModel


class ModelOutput(torch.nn.Module):
    """The UNet with a tensor for a result."""

    def __init__(self, unet: UNet2DConditionModel):
        super().__init__()
        self.unet = unet

    def forward(self, sample, timestep, encoder_hidden_states):
        return self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("unet")
    parser.add_argument("out")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=16)
    options = parser.parse_args()

    unet = UNet2DConditionModel.from_pretrained(options.unet, torch_dtype=torch.float32).eval()
    inputs = (
        torch.zeros(options.batch, unet.config.in_channels, options.size, options.size),
        torch.full((options.batch,), 500.0),
        torch.zeros(options.batch, options.tokens, unet.config.cross_attention_dim),
    )
    torch.onnx.export(
        ModelOutput(unet),
        inputs,
        options.out,
        dynamo=True,
        external_data=False,
        input_names=["sample", "timestep", "encoder_hidden_states"],
        output_names=["model_output"],
    )


if __name__ == "__main__":
    main()
