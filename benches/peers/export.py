"""Exports the networks of networks.json to ONNX, for onnxruntime-web to run, into benches/peers/exported.

    python -m benches.peers.export [network ...]

Needs torch, diffusers, transformers, onnx and onnxscript. The default model comes from its shards, dequantised, so both sides
compute with the same numbers; the others have random weights by seed, which are written beside the ONNX file for
our side, in the network's storage type. Pictures are channels first, [B, C, h, w]. Shapes are fixed, which lets onnxruntime fold what it
can: the comparison is with the peer at its best.

The weights of a large network, which a file of ONNX cannot hold, are beside it in NETWORK-0*.weights.
"""

import argparse
import json
from pathlib import Path

import onnx_ir
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file

from training.evaluate import networks

HERE = Path(__file__).parent
MODELS = HERE.parents[1] / "www" / "models"
EXPORTED = HERE / "exported"
STORED = {"f32": torch.float32, "f16": torch.float16}
MOST_PART_BYTES = 1 << 30  # a browser's arrays end at two


class UNet(torch.nn.Module):
    def __init__(self, unet, spec: dict):
        super().__init__()
        self.unet = unet
        batch, size, tokens = spec["batch"], spec["size"], spec["tokens"]
        self.inputs = {
            "sample": torch.zeros(batch, unet.config.in_channels, size, size),
            "timestep": torch.full((batch,), 500.0),
            "encoder_hidden_states": torch.zeros(batch, tokens, unet.config.cross_attention_dim),
        }
        self.output = "model_output"

    def forward(self, sample, timestep, encoder_hidden_states):
        return self.unet(sample, timestep, encoder_hidden_states, return_dict=False)[0]


class TextEncoder(torch.nn.Module):
    def __init__(self, text_encoder, spec: dict):
        super().__init__()
        self.text_encoder = text_encoder
        self.inputs = {"input_ids": torch.zeros(spec["batch"], spec["tokens"], dtype=torch.int64)}
        self.output = "last_hidden_state"

    def forward(self, input_ids):
        return self.text_encoder(input_ids).last_hidden_state


class Decoder(torch.nn.Module):
    """From latents as the UNet makes them, as our decoder's graph."""

    def __init__(self, autoencoder, spec: dict):
        super().__init__()
        self.autoencoder = autoencoder
        config = autoencoder.config
        self.scaling_factor, self.shift_factor = config.scaling_factor, config.shift_factor or 0.0
        self.inputs = {"latents": torch.zeros(spec["batch"], config.latent_channels, spec["size"], spec["size"])}
        self.output = "sample"

    def forward(self, latents):
        return self.autoencoder.decode(latents / self.scaling_factor + self.shift_factor, return_dict=False)[0]


def of_default_model(spec: dict) -> torch.nn.Module:
    model = networks.load(MODELS / spec["model"] / "manifest.json")
    make = {
        "unet": lambda: UNet(model.unet, spec),
        "text_encoder": lambda: TextEncoder(model.text_encoder, spec),
        "vae_decoder": lambda: Decoder(model.autoencoder, spec),
    }
    return make[spec["component"]]()


def of_random_weights(name: str, spec: dict) -> torch.nn.Module:
    """A UNet of the config; its weights are also written as safetensors, matrices in the spec's `dtype`, which rounds them for both."""
    torch.manual_seed(spec["seed"])
    unet = UNet2DConditionModel.from_config(json.loads((HERE / spec["config"]).read_text())).eval()
    dtype = STORED[spec.get("dtype", "f32")]
    stored = {key: values.to(dtype) if values.ndim > 1 else values for key, values in unet.state_dict().items()}
    EXPORTED.mkdir(exist_ok=True)
    save_file(stored, EXPORTED / f"{name}.safetensors")
    unet.load_state_dict(stored)
    return UNet(unet, spec)


def export(name: str, spec: dict) -> None:
    module = of_default_model(spec) if "model" in spec else of_random_weights(name, spec)
    program = torch.onnx.export(
        module.eval(),
        tuple(module.inputs.values()),
        dynamo=True,
        input_names=list(module.inputs),
        output_names=[module.output],
    )
    for old in EXPORTED.glob(f"{name}-0*.weights"):
        old.unlink()
    parts = {"external_data": f"{name}.weights", "max_shard_size_bytes": MOST_PART_BYTES} if spec.get("large") else {}
    onnx_ir.save(program.model, EXPORTED / f"{name}.onnx", **parts)


def main() -> None:
    specs = json.loads((HERE / "networks.json").read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", choices=[[], *specs], help="all but the large ones where none is named")
    names = parser.parse_args().network or [name for name, spec in specs.items() if not spec.get("large")]
    EXPORTED.mkdir(exist_ok=True)
    for name in names:
        export(name, specs[name])


if __name__ == "__main__":
    main()
