"""The networks of a converted model as PyTorch modules in f32, from its manifest's configs and dequantised tensors."""

import json
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from safetensors.numpy import load_file
from torch import nn

from training import manifest as shards
from training import text
from training.dataset.icons import STYLE_WORDS
from training.tokenizer import WordTokenizer

Tensors = dict[str, dict[str, np.ndarray]]
TOKENIZER_FILES = ("tokenizer_config.json", "words.json")
GUIDANCE_SCALE = 4.0  # of a folder that was not converted yet: what `tenstep convert` gives it


def compiled(module: nn.Module) -> nn.Module:
    """The same, its weights constants of what the compiler makes of it: slow at first, and quicker from then on."""
    torch._inductor.config.freezing = True
    return torch.compile(module)


@dataclass
class Networks:
    manifest: dict
    tokenizer: WordTokenizer
    text_encoder: nn.Module
    unet: nn.Module
    autoencoder: nn.Module

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        config = self.unet.config
        return config.in_channels, config.sample_size, config.sample_size

    @property
    def guidance_scale(self) -> float:
        return self.manifest["defaults"]["guidanceScale"]

    @property
    def style_words(self) -> list[str]:
        return self.manifest["styles"]

    @property
    def device(self) -> torch.device:
        return self.unet.device

    def to(self, device: str) -> "Networks":
        for module in (self.text_encoder, self.unet, self.autoencoder):
            module.to(device, memory_format=layout(device))
        return self

    def scheduler(self, scheduler_class: type = diffusers.DPMSolverMultistepScheduler, **settings):
        """diffusers' scheduler on the manifest's schedule; it ignores what it does not know."""
        accepted = set(scheduler_class().config)
        shipped = {k: v for k, v in self.manifest["scheduler"].items() if k in accepted and not k.startswith("_")}
        return scheduler_class(**(shipped | settings))

    def input_ids(self, prompts: list[str]) -> torch.Tensor:
        return torch.tensor([self.tokenizer(prompt) for prompt in prompts], device=self.device)

    @torch.no_grad()
    def prompt_embeds(self, prompts: list[str]) -> torch.Tensor:
        """f32[B, tokens, hidden]"""
        return text.embed(self.text_encoder, self.input_ids(prompts))

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents as the UNet makes them -> premultiplied RGBA in about [-1, 1]."""
        config = self.autoencoder.config
        shift = getattr(config, "shift_factor", None) or 0.0
        return self.autoencoder.decode(latents / config.scaling_factor + shift).sample

    @torch.no_grad()
    def encode(self, sample: torch.Tensor) -> torch.Tensor:
        """Premultiplied RGBA in [-1, 1] -> latents as the UNet makes them; the mean where the encoder gives more."""
        config = self.autoencoder.config
        shift = getattr(config, "shift_factor", None) or 0.0
        encoded = self.autoencoder.encode(sample)
        mean = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
        return (mean - shift) * config.scaling_factor


def layout(device: str | torch.device) -> torch.memory_format:
    """The quickest for networks in f32. A GPU's group norms know channels first alone, and would turn each input round."""
    return torch.channels_last if torch.device(device).type == "cpu" else torch.contiguous_format


def load(manifest_path: Path) -> Networks:
    manifest, tensors = shards.load(manifest_path)
    return build(manifest, tensors)


def load_folder(folder: Path) -> tuple[Networks, Tensors]:
    """A diffusers folder as training.export writes it, in the same form, with its tensors in f32."""

    def config(part: str) -> dict:
        return json.loads((folder / part).read_text())

    autoencoder = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    encoder = {name: values for name, values in autoencoder.items() if name.startswith(("encoder.", "quant_conv."))}
    tensors = {
        "text_encoder": load_file(folder / "text_encoder" / "model.safetensors"),
        "unet": load_file(folder / "unet" / "diffusion_pytorch_model.safetensors"),
        "vae_encoder": encoder,
        "vae_decoder": {name: values for name, values in autoencoder.items() if name not in encoder},
    }
    configs = {"text_encoder": "text_encoder", "unet": "unet", "vae_encoder": "vae", "vae_decoder": "vae"}
    manifest = {
        "components": [{"name": name, "config": config(f"{part}/config.json")} for name, part in configs.items()],
        "scheduler": config("scheduler/scheduler_config.json"),
        "tokenizer": {name: (folder / "tokenizer" / name).read_text() for name in TOKENIZER_FILES},
        "styles": list(STYLE_WORDS.values()),
        "defaults": {"guidanceScale": GUIDANCE_SCALE},
    }
    return build(manifest, tensors), tensors


def build(manifest: dict, tensors: Tensors) -> Networks:
    configs = {component["name"]: component["config"] for component in manifest["components"]}
    text_encoder = build_text_encoder(configs["text_encoder"])
    unet = diffusers.UNet2DConditionModel.from_config(configs["unet"])
    autoencoder_class = getattr(diffusers, configs["vae_decoder"]["_class_name"])
    autoencoder = autoencoder_class.from_config(configs["vae_decoder"])
    load_weights(text_encoder, tensors["text_encoder"])
    load_weights(unet, tensors["unet"])
    load_weights(autoencoder, tensors["vae_decoder"] | tensors["vae_encoder"])
    return Networks(manifest, tokenizer(manifest), text_encoder, unet, autoencoder)


def build_text_encoder(config: dict) -> nn.Module:
    """The class that the config names: the word table of the default model, or Stable Diffusion's encoder."""
    classes = {"WordTableTextModel": text.WordTableTextModel, "CLIPTextModel": transformers.CLIPTextModel}
    return classes[config["architectures"][0]](transformers.CLIPTextConfig(**config))


def tokenizer(manifest: dict) -> WordTokenizer:
    files = {name: json.loads(content) for name, content in manifest["tokenizer"].items()}
    length = files["tokenizer_config.json"]["model_max_length"]
    return WordTokenizer(**files["words.json"], model_max_length=length)


def load_weights(module: nn.Module, tensors: dict[str, np.ndarray]) -> None:
    """Every parameter of the module must be among the tensors. Some releases of transformers keep a
    `text_model.` prefix that others drop."""
    given = {name.removeprefix("text_model."): torch.from_numpy(value) for name, value in tensors.items()}
    state = {}
    for name, value in module.state_dict().items():
        key = name.removeprefix("text_model.")
        state[name] = value if key.endswith("position_ids") else given[key].reshape(value.shape)
    module.load_state_dict(state)
    module.eval().requires_grad_(False).to(memory_format=torch.channels_last)
