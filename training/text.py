"""The text encoder (transformers' CLIPTextModel, tiny) and the captions that it is trained on."""

import numpy as np
import torch
from transformers import CLIPTextConfig, CLIPTextModel

from training.dataset.icons import STYLE_WORDS
from training.tokenizer import END, PAD, START, UNK, WordTokenizer


def build(config: dict, vocab_size: int) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=vocab_size,
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
        self.styles = [tokenizer.word_ids(STYLE_WORDS[record["style"]]) for record in records]

    def draw(self, index: int, random: np.random.Generator) -> list[int]:
        """input_ids of one caption of picture `index`; the empty prompt at the rate of condition dropout."""
        if random.random() < self.config["condition_dropout"]:
            return self.tokenizer.pad([])
        kind, tags = random.random(), self.tags[index]
        if kind < 0.7:
            ids = self.labels[index]
        elif kind < 0.8:
            ids = self.labels[index] + tags[random.integers(len(tags))]
        elif kind < 0.88:
            ids = tags[random.integers(len(tags))]
        else:
            ids = tags[random.integers(len(tags))] + tags[random.integers(len(tags))]
        if random.random() < self.config["style_word_rate"]:
            ids = ids + self.styles[index] if random.random() < 0.7 else self.styles[index] + ids
        # <unk> learns to mean nothing: now and then a word is lost.
        ids = [UNK if random.random() < 0.02 else word for word in ids]
        return self.tokenizer.pad(ids)


def embed(text_encoder: CLIPTextModel, input_ids: torch.Tensor) -> torch.Tensor:
    """input_ids[B, L] -> prompt_embeds[B, L, hidden]: the last hidden state after the final norm, as Stable Diffusion's."""
    return text_encoder(input_ids).last_hidden_state
