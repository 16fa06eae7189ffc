"""Goldens of the default model's tokenizer: what training/tokenizer.py gives with a part of its tables.

    python -m training.goldens.words <folder of the trained tokenizer> tests/goldens/tokenizer/words

The default model's own table grows with its data; the rules do not, and the part is small enough to keep.
"""

import argparse
import json
from pathlib import Path

from training.tokenizer import GOLDEN_PROMPTS, WordTokenizer, split_words

EXTRA_PROMPTS = [
    " \t\n",
    "draw me an icon of the apple please",
    "APPLES, Pears & cherries: 3 of each.",
    "l’étoile d'or",
    "x" * 200,
    "apple " * 14,
    "apple " * 15,
    "the " * 50 + "apple",
    "🍎" * 20,
    "👩‍👩‍👧‍👦👨🏿‍🍳🧑‍🎄",
    "red🍎apple🍏green",
    "ﬁsh ＦＵＬＬ ｗｉｄｔｈ",
    "ǅ ŉ ß ẞ İ ı ς Σ",
    "50% off! #1 @home",
    "\ufeffapple\u200bpear\u00a0plum",
    "éclair café CAFÉ cafe\u0301",
    "🏴󠁧󠁢󠁥󠁮󠁧󠁿 🏳️‍🌈",
    "classes glasses buses dresses foxes babies",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    whole = WordTokenizer.from_folder(options.tokenizer)
    prompts = GOLDEN_PROMPTS + EXTRA_PROMPTS

    used = {whole.words[index - 4] for prompt in prompts for index in whole.word_ids(prompt) if index >= 4}
    words = [word for index, word in enumerate(whole.words) if word in used or index % 10 == 0]
    shown = {character for prompt in prompts for character in prompt}
    emoji = {
        key: label
        for index, (key, label) in enumerate(whole.emoji.items())
        if index % 20 == 0 or (key[0] in shown and split_words(label)[0] in words)
    }
    part = WordTokenizer(words, sorted(whole.ignored), emoji, whole.model_max_length)
    part.save(options.out)
    goldens = [
        {
            "prompt": prompt,
            "input_ids": part(prompt),
            "truncated": len(part.word_ids(prompt)) > part.model_max_length - 2,
        }
        for prompt in prompts
    ]
    text = ",\n".join(json.dumps(golden, ensure_ascii=False) for golden in goldens)
    (options.out / "prompts.json").write_text(f"[\n{text}\n]\n")
    command = "python -m training.goldens.words <folder of the trained tokenizer> tests/goldens/tokenizer/words"
    (options.out / "recipe.json").write_text(json.dumps({"command": command}, indent=1) + "\n")


if __name__ == "__main__":
    main()
