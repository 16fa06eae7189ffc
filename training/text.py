"""The text encoder, its word table, and the captions that it is trained on.

A tiny CLIPTextModel whose token embedding is factorised: rows of 50 numbers and one projection to the hidden size.
Words of captions have trained rows; any other word gets the mean of the rows of the words it is used like.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel
from transformers.models.clip.modeling_clip import CLIPTextEmbeddings

from training.dataset.icons import STYLE_WORDS
from training.faces import well_known_faces
from training.tokenizer import END, PAD, START, UNK, WordTokenizer
from training.word_vectors import DIMENSION, WordTable


COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
AMOUNTS = ("bottle", "bowl", "cup", "glass", "piece", "slice")
# What people put before the name of a thing; a picture is of the thing.
DESCRIBING = (*COLOURS, *AMOUNTS, "big", "small", "cute", "beautiful", "happy", "cool", "old", "new")


class WordTableEmbeddings(CLIPTextEmbeddings):
    """hidden = token_embedding(input_ids) @ project_in.T + position_embedding(position)"""

    def __init__(self, config: CLIPTextConfig):
        super().__init__(config)
        self.token_embedding = nn.Embedding(config.vocab_size, config.word_embed_proj_dim)
        self.project_in = nn.Linear(config.word_embed_proj_dim, config.hidden_size, bias=False)

    @torch.no_grad()
    def start_from(self, table: WordTable) -> None:
        self.token_embedding.weight.copy_(torch.from_numpy(table.vectors))

    @torch.no_grad()
    def settle(self, table: WordTable) -> None:
        """After training: gives words that no caption holds the rows of the words they are used like."""
        rows = self.token_embedding.weight
        rows.copy_(torch.from_numpy(table.settled(rows.cpu().numpy())))

    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None):
        words = self.project_in(self.token_embedding(input_ids))
        return super().forward(position_ids=position_ids, inputs_embeds=words)


class WordTableTextModel(CLIPTextModel):
    def __init__(self, config: CLIPTextConfig):
        super().__init__(config)
        self.embeddings = WordTableEmbeddings(config)
        self.post_init()

    def save(self, folder: Path) -> None:
        """With the parameter names of published checkpoints: transformers 5 writes them without "text_model."."""
        self.config.architectures = [type(self).__name__]
        self.config.save_pretrained(folder)
        tensors = {
            f"text_model.{name}": tensor.detach().contiguous()
            for name, tensor in self.state_dict().items()
            if not name.endswith("position_ids")
        }
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})

    @classmethod
    def load(cls, folder: Path) -> "WordTableTextModel":
        model = cls(CLIPTextConfig.from_json_file(folder / "config.json"))
        tensors = load_file(folder / "model.safetensors")
        model.load_state_dict({name.removeprefix("text_model."): tensor for name, tensor in tensors.items()})
        return model.eval()


def build(config: dict, vocab_size: int) -> WordTableTextModel:
    return WordTableTextModel(
        CLIPTextConfig(
            vocab_size=vocab_size,
            word_embed_proj_dim=DIMENSION,
            hidden_size=config["hidden_size"],
            intermediate_size=config["intermediate_size"],
            num_hidden_layers=config["layers"],
            num_attention_heads=config["heads"],
            max_position_embeddings=config["model_max_length"],
            hidden_act="quick_gelu",
            projection_dim=config["hidden_size"],
            pad_token_id=PAD,
            bos_token_id=START,
            eos_token_id=END,
        )
    )


class Captions:
    """Draws a caption for a picture: mostly the label, sometimes what people call it, usually with the style."""

    def __init__(self, records: list[dict], tokenizer: WordTokenizer, config: dict):
        self.tokenizer, self.config = tokenizer, config
        self.labels = [tokenizer.word_ids(record["label"]) for record in records]
        # A tag that says no more than the label, or nothing at all, is no caption.
        self.tags = [
            [ids for ids in map(tokenizer.word_ids, record["tags"]) if ids] or [label]
            for record, label in zip(records, self.labels, strict=True)
        ]
        wholes = {face: whole for whole, face in well_known_faces(records).items()}
        self.wholes = [tokenizer.word_ids(wholes.get(record["label"], "")) for record in records]
        # Tags do not speak of skin tones, so alone they describe only the drawing without one.
        self.toned = [record["tone"] is not None for record in records]
        self.styles = [tokenizer.word_ids(STYLE_WORDS[record["style"]]) for record in records]
        self.describing = sorted(tokenizer.ids[word] for word in DESCRIBING if word in tokenizer.ids)
        # "blue" tells a blue heart from others, and skin has colours of its own.
        self.describable = [
            not toned and not set(self.describing).intersection(label)
            for toned, label in zip(self.toned, self.labels, strict=True)
        ]

    def draw(self, index: int, random: np.random.Generator) -> list[int]:
        """input_ids of one caption of picture `index`; the empty prompt at the rate of condition dropout."""
        if random.random() < self.config["condition_dropout"]:
            return self.tokenizer.pad([])
        # By itself a style's word comes to mean what its drawings share, whatever they are of.
        if random.random() < self.config["style_alone_rate"]:
            return self.tokenizer.pad(self.styles[index])
        ids = self.names(index, random)
        if random.random() < self.config["style_word_rate"]:
            ids = with_style(ids, self.styles[index], random)
        return self.tokenizer.pad(with_losses(ids, random))

    def names(self, index: int, random: np.random.Generator) -> list[int]:
        """What is in the picture, without the style."""
        kind, tags = random.random(), self.tags[index]
        if kind < 0.6 or self.toned[index]:
            whole = self.wholes[index]
            ids = whole if whole and random.random() < self.config["face_is_whole_rate"] else self.labels[index]
        elif kind < 0.75:
            ids = self.labels[index] + tags[random.integers(len(tags))]
        elif kind < 0.87:
            ids = tags[random.integers(len(tags))]
        else:
            ids = tags[random.integers(len(tags))] + tags[random.integers(len(tags))]
        if self.describable[index] and random.random() < self.config["described_rate"]:
            ids = [self.describing[random.integers(len(self.describing))], *ids]
        return ids


def with_style(ids: list[int], style: list[int], random: np.random.Generator) -> list[int]:
    return ids + style if random.random() < 0.8 else style + ids


def with_losses(ids: list[int], random: np.random.Generator) -> list[int]:
    """<unk> learns to mean nothing: now and then a word is lost."""
    return [UNK if random.random() < 0.02 else word for word in ids]


def embed(text_encoder: CLIPTextModel, input_ids: torch.Tensor) -> torch.Tensor:
    """input_ids[B, L] -> prompt_embeds[B, L, hidden]: the last hidden state after the final norm."""
    return text_encoder(input_ids).last_hidden_state


def word_counts(captions: Captions, sampler, seed: int, draws: int = 20_000) -> torch.Tensor:
    """f32[vocab_size]: how often each id occurs in captions as training draws them."""
    random = np.random.default_rng(seed)
    ids = np.concatenate([captions.draw(index, random) for index in sampler.draw(draws, random)])
    return torch.from_numpy(np.bincount(ids, minlength=captions.tokenizer.vocab_size)).float()
