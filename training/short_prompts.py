"""`python -m training.short_prompts`: teaches the text encoder that a short prompt means a longer one that is drawn well.

Asked for "horse face, noto" the model draws what it has learned; asked for "horse" it hesitates between animals, and without
a style between styles, which shows. So it is taught by what it says itself: for a short prompt the UNet is to predict what
it predicts for the long one, and for every other prompt what it predicted before (self-distillation). The UNet stays as
it is; no prompt is of a held-out pair or skin tone.
"""

import copy

import numpy as np
import torch
from diffusers import AutoencoderTiny
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from torch.nn import functional as F

from training import initial, loop, settings, text
from training import latents as latents_of
from training.dataset.icons import STYLE_WORDS
from training.export import circumstances
from training.faces import well_known_faces
from training.images import read_images, read_records
from training.tokenizer import UNK, WordTokenizer
from training.unet import ConceptSampler, Denoiser, alphas_cumprod, noisy_batch

# What people say, and what of that the model draws well: CLDR has other names for it, or more of its kind that are drawn worse.
EVERYDAY_NAMES = {
    "apple": "red apple",
    "ball": "soccer ball",
    "bird": "parrot",
    "boat": "sailboat",
    "book": "books",
    "bug": "lady beetle",
    "bulb": "light bulb",
    "chili": "hot pepper",
    "clock": "alarm clock",
    "diamond": "gem stone",
    "hand": "raised hand",
    "happy face": "grinning face",
    "hat": "top hat",
    "heart": "red heart",
    "ice cream cone": "soft ice cream",
    "kitten": "cat face",
    "ladybug": "lady beetle",
    "monster": "alien monster",
    "moon": "full moon",
    "mountain": "mount fuji",
    "orange": "tangerine",
    "smiley": "grinning face",
    "smiling face": "grinning face",
}


class ShortPrompts:
    """Draws what is said and what is meant by it, with a picture of that: rows of (index, said, meant)."""

    def __init__(self, records: list[dict], tokenizer: WordTokenizer, config: dict):
        """`records`: of all pictures; an index is a place among those that are not held out."""
        trained = [record for record in records if not record["held_out"]]
        self.tokenizer, self.config, self.captions = tokenizer, config, text.Captions(trained, tokenizer, config)
        self.style_words = {style: tokenizer.word_ids(word) for style, word in STYLE_WORDS.items()}
        self.drawn: dict[tuple[str, int | None], dict[str, int]] = {}
        for index, record in enumerate(trained):
            self.drawn.setdefault((record["base"], record["tone"]), {})[record["style"]] = index
        self.held_out = {(record["base"], record["style"]) for record in records if record["held_out_by"] == "pair"}
        self.things = [(record["base"], record["tone"]) for record in trained]

        faces = well_known_faces(trained)
        names = {short: name for short, name in (EVERYDAY_NAMES | faces).items() if UNK not in tokenizer.word_ids(short)}
        self.long = {tuple(tokenizer.word_ids(short)): tokenizer.word_ids(name) for short, name in names.items()}
        self.labels = set(map(tuple, self.captions.labels)) - set(self.long)
        self.describing = set(self.captions.describing)
        by_label = {record["label"]: index for index, record in enumerate(trained)}
        self.named = [(tokenizer.word_ids(short), by_label[name]) for short, name in names.items() if name in by_label]
        # A whole animal that is to be drawn as its face is no example of its name.
        often = {record["base"]: float(record["base_label"] not in faces) for record in trained}
        self.sampler = ConceptSampler(trained, config["common_share"], config["untoned_share"], often)

    def draw(self, count: int, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(int64[count], input_ids said, input_ids meant)"""
        rows = [self._draw_one(index, random) for index in self.sampler.draw(count, random)]
        indices, said, meant = zip(*rows, strict=True)
        return torch.tensor(indices), torch.tensor(said), torch.tensor(meant)

    def _draw_one(self, index: int, random: np.random.Generator) -> tuple[int, list[int], list[int]]:
        config, pad = self.config, self.tokenizer.pad
        if random.random() < config["condition_dropout"]:
            return int(index), pad([]), pad([])
        if self.named and random.random() < config["named_share"]:
            said, index = self.named[random.integers(len(self.named))]
            described = [self.captions.describing[random.integers(len(self.captions.describing))], *said]
            if random.random() < config["described_rate"] and self.meant(described) != described:
                said = described
        elif random.random() < config["style_alone_rate"]:
            said = []
        else:
            said = text.with_losses(self.captions.names(index, random), random)
        meant = self.meant(said)
        base, tone = self.things[index]
        drawn = self.drawn[base, tone]
        if said and random.random() >= config["style_word_rate"]:
            style = next((style for style in config["best_styles"] if style in drawn), min(drawn))
            return drawn[style], pad(said), pad(meant + self.style_words[style])
        style = str(random.choice([style for style in STYLE_WORDS if (base, style) not in self.held_out]))
        seed = random.integers(2**32)
        said, meant = (
            text.with_style(ids, self.style_words[style], np.random.default_rng(seed)) for ids in (said, meant)
        )
        return drawn.get(style, int(index)), pad(said), pad(meant)

    def meant(self, said: list[int]) -> list[int]:
        """A word that describes it may come before a name, but not where the two have another meaning: "green apple"."""
        if tuple(said) in self.labels:
            return said
        for before, short in ((said[:0], said), (said[:1], said[1:])):
            long = self.long.get(tuple(short), [])
            describing = self.describing.intersection
            if long and describing(before) == set(before) and not (before and describing(long)):
                return before + long
        return said


def main(arguments: list[str] | None = None) -> None:
    options = settings.training_parser(__doc__)
    options.add_argument("--initial", metavar="MANIFEST", help="start from the weights of a converted model")
    options = options.parse_args(arguments)
    preset = settings.read(options, "short_prompts")
    config, root = preset["short_prompts"], options.root
    trainer = loop.Trainer("short_prompts", options, config)
    device = trainer.device
    with trainer.accelerator.main_process_first():
        if options.initial and trainer.main:
            # What is exported is a whole model: its UNet with the autoencoder that made its latents.
            initial.autoencoder(options.initial).save_pretrained(root / "vae")
        vae = AutoencoderTiny.from_pretrained(root / "vae").eval().to(device)
        latents = latents_of.of_all(root, vae, read_images(root))
    records = read_records(root)
    kept = [index for index, record in enumerate(records) if not record["held_out"]]
    latents = latents[kept].contiguous().to(device)

    tokenizer = WordTokenizer.from_folder(root / "tokenizer")
    prompts = ShortPrompts(records, tokenizer, preset["unet"] | config)
    counts = text.word_counts(prompts.captions, prompts.sampler, config["seed"])
    settings.seed_everything(config["seed"], trainer.threads)
    # Without dropout, as it samples: both sides are to differ by their prompts alone.
    model = Denoiser(preset | {"unet": preset["unet"] | {"dropout": 0.0}}, tokenizer.vocab_size)
    revision, before = initial.start(model, trainer, ("reward", "unet"), tokenizer, counts, options.initial)
    model.unet.requires_grad_(False)
    if device.type == "cpu":
        model.unet.set_attn_processor(AttnProcessor())
    teacher = copy.deepcopy(model.text_encoder).requires_grad_(False).to(device)
    table = alphas_cumprod(preset["unet"]).to(device)

    def batch_loss(trained: nn.Module, batch: tuple) -> torch.Tensor:
        indices, said, meant = (part.to(device, non_blocking=True) for part in batch)
        sample, timesteps, _ = noisy_batch(latents[indices], table, config["timestep_power"])
        prediction = trained(sample, timesteps, said)
        with torch.no_grad(), trainer.accelerator.autocast():
            wanted = model.unet(sample, timesteps, text.embed(teacher, meant)).sample
        return F.mse_loss(prediction.float(), wanted.float())

    run = trainer.run(model, lambda random, size: prompts.draw(size, random), batch_loss, revision)
    if trainer.main:
        made = circumstances(options.preset, preset, "short_prompts") | {"before": before}
        settings.write_json(root / "short_prompts.json", run | made)


if __name__ == "__main__":
    main()
