"""`python -m training.evaluate.synonyms`: proves that no synonym of synonyms.json was ever part of a caption.

A word is absent if neither it, nor a stem that the tokenizer would try for it, nor its plain plural occurs in any label
or tag of emojibase. With `--manifest` it must also have a row of its own in the shipped word table, which holds beyond
the captions' words only those among GloVe's 20,000 most frequent. Exits with 1 where a word fails.
"""

import json
from pathlib import Path

from training.evaluate import preset, prompts
from training.tokenizer import split_words

ENDINGS = (("ies", "y"), ("es", ""), ("s", ""))  # rule 7 of training/tokenizer.py


def caption_words(emojis: list[dict]) -> set[str]:
    texts = [text for emoji in emojis for text in [emoji["label"], *emoji["tags"]]]
    return {word for text in texts for word in split_words(text) if word}


def forms(word: str) -> list[str]:
    """The word, what rule 7 makes of it, and the plurals of which rule 7 would make it."""
    stems = [
        word[: -len(ending)] + replacement
        for ending, replacement in ENDINGS
        if word.endswith(ending) and len(word) > len(ending)
    ]
    plurals = [word.removesuffix(replacement) + ending for ending, replacement in ENDINGS if word.endswith(replacement)]
    return [word, *stems, *plurals]


def present(word: str, captions: set[str]) -> list[str]:
    """The forms of the word that captions have: none for a word that proves something."""
    return [form for form in forms(word) if form in captions]


def main() -> None:
    options = preset.parser(__doc__)
    options.add_argument("--manifest", type=Path, help="also look the words up in this model's word table")
    options = options.parse_args()
    preset.read(options)
    captions = caption_words(json.loads((options.root / "emoji.json").read_text()))
    table = None
    if options.manifest:
        table = set(json.loads(json.loads(options.manifest.read_text())["tokenizer"]["words.json"])["words"])

    words = [prompt.prompt for prompt in prompts.read(prompts.SYNONYMS)]
    failures = {word: found for word in words if (found := present(word, captions))}
    failures |= {word: "no row in the word table" for word in words if table is not None and word not in table}
    for word, reason in failures.items():
        print(f"{word}: {reason}")
    print(f"{len(words) - len(failures)} of {len(words)} synonyms are in none of {len(captions)} caption words")
    raise SystemExit(1 if failures else 0)


if __name__ == "__main__":
    main()
