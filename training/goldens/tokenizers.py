"""Goldens of CLIP's tokenizer: what transformers' CLIPTokenizer gives for a small vocabulary.

    python -m training.goldens.tokenizers tests/goldens/tokenizer/clip

Trains 250 merges on the prompts below (the real vocabulary is not ours to ship, and the algorithm does not
depend on it), writes vocab.json and merges.txt as a diffusers folder has them, and the ids of each prompt, once with
Stable Diffusion 1's padding and once with Stable Diffusion 2's, which pads with "!".

    python -m training.goldens.tokenizers --vocabulary bpe_simple_vocab_16e6.txt.gz --prompts texts.txt out

does the same with CLIP's own vocabulary for the lines of a file: a larger check, too big to keep.
"""

import argparse
import collections
import gzip
import json
from pathlib import Path

import transformers

MERGES = 250
LENGTH = 77
START, END = "<|startoftext|>", "<|endoftext|>"

PROMPTS = [
    "",
    " ",
    "a photo of an astronaut riding a horse on mars",
    "A Photo Of An ASTRONAUT Riding A Horse On Mars",
    "a  photo\tof\nan   astronaut\r\n",
    "portrait of a fox, oil painting, highly detailed, 8k, trending on artstation",
    "masterpiece, best quality, (red:1.2), [blue|green], {soft light}",
    "it's the artist's studio; we'll say they've seen I'm sure he'd don't",
    "IT'S THE ARTIST'S",
    "'s 't 're 've 'm 'll 'd 'x ''s '",
    "rock'n'roll o'clock l'été",
    "1234567890",
    "8k 4K 35mm f/1.8 1920x1080",
    "3.14159 -273.15 1,000,000",
    "½ ² Ⅷ ٣ 五 ㊿",
    "café naïve façade Ångström",
    "cafe\u0301 nai\u0308ve A\u030angstro\u0308m",
    "ﬁne ﬂow ﬃ",
    "ΟΔΟΣ ὈΔΥΣΣΕΎΣ",
    "İstanbul ISTANBUL ıspanak",
    "Straße STRASSE GROẞ",
    "Привет, мир! Как дела?",
    "你好，世界。一只狐狸",
    "こんにちは世界、カタカナ",
    "안녕하세요 세계",
    "नमस्ते दुनिया",
    "สวัสดีชาวโลก",
    "مرحبا بالعالم",
    "שלום עולם",
    "🦊",
    "🦊🍎 a fox and an apple 🍏",
    "👩🏽‍🚀 👨‍👩‍👧‍👦 ❤️‍🔥 🇫🇷 1️⃣",
    "a\u00a0b\u2003c\u3000d\u200be\ufefff\u1680g",
    "a\u0085b\u001cc\u0000d\u2028e",
    "snake_case camelCase kebab-case dotted.name",
    "!!! ??? ... --- *** ### @@@",
    "wow! really!? yes!!",
    "hello<|endoftext|>world",
    "<|startoftext|>a fox<|endoftext|>",
    "x <|ENDOFTEXT|> y <|StartOfText|>!! z",
    "<|endoftext",
    "http://example.com/a?b=c&d=%20#e",
    "“quotes” ‘single’ – dash — long… «guillemets»",
    "math: ∑ x² ≤ √(a+b) × 3 ÷ 2 ≠ ∞",
    "\U0001d4d0\U0001d4d1 𝒳 𝟘 🄰 Ⓐ",
    "z\u0351\u036b\u0343a\u0309lgo\u0300\u0301\u0302",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "a fox " * 30,
    "a fox " * 37 + "a",
    "a fox " * 37 + "a b",
    " ".join(f"item number {number}" for number in range(60)),
]


def byte_letters() -> list[str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def train(prompts: list[str]) -> list[tuple[str, str]]:
    """The merges of the most frequent pairs, ties in alphabetical order. Sennrich et al. 2016, Algorithm 1."""
    letters = byte_letters()
    words = collections.Counter()
    for prompt in prompts:
        if "<|" in prompt:
            continue
        for word in prompt.lower().split():
            symbols = [letters[byte] for byte in word.encode()]
            words[(*symbols[:-1], symbols[-1] + "</w>")] += 1
    merges = []
    while len(merges) < MERGES:
        pairs = collections.Counter()
        for symbols, count in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = collections.Counter()
        for symbols, count in words.items():
            joined, position = [], 0
            while position < len(symbols):
                width = 2 if symbols[position : position + 2] == best else 1
                joined.append("".join(symbols[position : position + width]))
                position += width
            merged[tuple(joined)] += count
        words = merged
    return merges


def write_vocabulary(folder: Path, merges: list[tuple[str, str]]) -> None:
    # The order of CLIP's own vocabulary: bytes by their letters' code points as OpenAI lists them, with and without
    # the end of a word, then merges, then special tokens.
    letters = byte_letters()
    printable = [letter for letter in letters if ord(letter) < 0x100]
    ordered = printable + [letter for letter in letters if ord(letter) >= 0x100]
    tokens = ordered + [f"{letter}</w>" for letter in ordered] + ["".join(pair) for pair in merges] + [START, END]
    vocab = {}
    for token in tokens:
        vocab.setdefault(token, len(vocab))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")) + "\n")
    lines = ["#version: 0.2"] + [" ".join(pair) for pair in merges]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": LENGTH,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


def encode(tokenizer, prompt: str) -> dict:
    ids = tokenizer(prompt, truncation=True, padding="max_length", max_length=LENGTH)["input_ids"]
    return {"input_ids": ids, "truncated": len(tokenizer(prompt)["input_ids"]) > LENGTH}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--vocabulary", type=Path, help="merges to use instead of training some")
    parser.add_argument("--prompts", type=Path, help="a file with a prompt on each line")
    options = parser.parse_args()
    prompts = options.prompts.read_text().splitlines() if options.prompts else PROMPTS
    if options.vocabulary:
        lines = gzip.open(options.vocabulary).read().decode().split("\n")
        merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    else:
        merges = train(PROMPTS)
    write_vocabulary(options.out, merges)
    first = transformers.CLIPTokenizer.from_pretrained(options.out)
    second = transformers.CLIPTokenizer.from_pretrained(options.out, pad_token="!")
    goldens = [
        {"prompt": prompt, **encode(first, prompt), "input_ids_padded_with_exclamation": encode(second, prompt)["input_ids"]}
        for prompt in prompts
    ]
    text = ",\n".join(json.dumps(golden, ensure_ascii=False) for golden in goldens)
    (options.out / "prompts.json").write_text(f"[\n{text}\n]\n")
    recipe = {
        "command": "python -m training.goldens.tokenizers tests/goldens/tokenizer/clip",
        "versions": {"transformers": transformers.__version__},
    }
    (options.out / "recipe.json").write_text(json.dumps(recipe, indent=1) + "\n")


if __name__ == "__main__":
    main()
