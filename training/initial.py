"""Where a stage starts: from a model that was converted before (`--initial models/default/manifest.json`), or from a stage's checkpoint."""

import json

import torch
from diffusers import AutoencoderTiny

from training import checkpoint, manifest
from training.loop import Trainer
from training.tokenizer import WordTokenizer


def autoencoder(manifest_path: str) -> AutoencoderTiny:
    """A model's own, whole."""
    model, tensors = manifest.load(manifest_path)
    config = next(component["config"] for component in model["components"] if component["name"] == "vae_decoder")
    vae = AutoencoderTiny.from_config(config)
    weights = tensors["vae_encoder"] | tensors["vae_decoder"]
    vae.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return vae


@torch.no_grad()
def load_autoencoder(vae: AutoencoderTiny, manifest_path: str) -> str:
    """From a model that is as deep and at most as wide; returns its revision.

    A wider network begins as the old function: new channels read the old ones, which hardly listen to the new.
    """
    model, tensors = manifest.load(manifest_path)
    found = tensors["vae_encoder"] | tensors["vae_decoder"]
    own = vae.state_dict()
    if own.keys() != found.keys():
        raise SystemExit(f"{manifest_path} holds an autoencoder of another depth")
    for name, values in found.items():
        old = tuple(slice(size) for size in values.shape)
        if own[name].dim() == 4:
            own[name][old[0]] *= 0.1
        own[name][old] = torch.from_numpy(values)
    return model["revision"]


def plain_tokenizer(model: dict) -> WordTokenizer:
    files = {name: json.loads(text) for name, text in model["tokenizer"].items() if name.endswith(".json")}
    return WordTokenizer(**files["words.json"], model_max_length=files["tokenizer_config.json"]["model_max_length"])


def keep_strongest_neurons(text: dict[str, torch.Tensor], count: int) -> None:
    """Narrows each feed-forward part to the `count` neurons with the largest weights."""
    for name in [name for name in text if name.endswith("mlp.fc1.weight")]:
        layer = name.removesuffix("fc1.weight")
        strength = text[name].norm(dim=1) * text[layer + "fc2.weight"].norm(dim=0)
        strongest = strength.topk(count).indices.sort().values
        text[name], text[layer + "fc1.bias"] = text[name][strongest], text[layer + "fc1.bias"][strongest]
        text[layer + "fc2.weight"] = text[layer + "fc2.weight"][:, strongest]


@torch.no_grad()
def factorise(rows: torch.Tensor, counts: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(mean[D], factors[V, rank], projection[D, rank]): rows[V, D] ~ mean + factors @ projection.T.

    Weighted principal components: closest where words are frequent.
    """
    weights = (counts / counts.sum()).double()
    mean = weights @ rows.double()
    centred = rows.double() - mean
    _, _, directions = torch.linalg.svd(weights.sqrt()[:, None] * centred, full_matrices=False)
    projection = directions[:rank].T
    return mean.float(), (centred @ projection).float(), projection.float()


@torch.no_grad()
def load_denoiser(denoiser, tokenizer: WordTokenizer, counts: torch.Tensor, manifest_path: str) -> str:
    """UNet and text encoder from a model of the same shape; returns its revision.

    A model with one learned row of hidden size a word is factorised; `counts` says how often training meets each id.
    """
    model, tensors = manifest.load(manifest_path)
    denoiser.unet.load_state_dict({name: torch.from_numpy(values) for name, values in tensors["unet"].items()})
    text = {name: torch.from_numpy(values) for name, values in tensors["text_encoder"].items()}
    table_name = "embeddings.token_embedding.weight"
    if "embeddings.project_in.weight" not in text:
        rows, embeddings = text.pop(table_name), denoiser.text_encoder.embeddings
        old = plain_tokenizer(model)
        shared = [(tokenizer.ids[word], id) for word, id in old.ids.items() if word in tokenizer.ids]
        pairs = torch.tensor([(special, special) for special in range(4)] + shared)
        mean, factors, projection = factorise(
            rows[pairs[:, 1]], counts[pairs[:, 0]] + 1, embeddings.token_embedding.embedding_dim
        )
        vectors = embeddings.token_embedding.weight
        # Words that are new start as small as those that were there.
        vectors.mul_(factors.std())
        vectors[pairs[:, 0]] = factors
        text["embeddings.project_in.weight"] = projection
        text["embeddings.position_embedding.weight"] += mean
        text[table_name] = vectors
    keep_strongest_neurons(text, denoiser.text_encoder.config.intermediate_size)
    denoiser.text_encoder.load_state_dict(text)
    return model["revision"]


def start(
    model, trainer: Trainer, stages: tuple[str, ...], tokenizer: WordTokenizer, counts: torch.Tensor, path: str | None
) -> tuple[str | None, dict | None]:
    """(revision, what is known of its training) of the converted model; without one, the first checkpoint of `stages` that is there."""
    if path:
        before = manifest.read(path)["provenance"]["training"]
        revision = load_denoiser(model, tokenizer, counts, path)
    else:
        revision, before = None, None
        root = trainer.options.root
        state = next(filter(None, (checkpoint.load(root / f"{stage}.ckpt") for stage in stages)), None)
        if state is None:
            raise SystemExit(f"{root} has no {stages[-1]}.ckpt: run python -m training.{stages[-1]} first, or name a model with --initial")
        model.load_state_dict(state["average"])
    if trainer.state and trainer.state["initial"] != revision:
        raise SystemExit(f"{trainer.path} goes on from {trainer.state['initial']}, not from {revision}: remove it")
    return revision, before
