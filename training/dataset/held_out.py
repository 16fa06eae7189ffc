"""Which (concept, style) pairs are never trained on: `held_out.json`, a committed list.

fluent-emoji and fluent-emoji-flat are one drawing coloured two ways, so they are held out together or not at all.
"""

import json
import random

from training.settings import HERE

LIST = HERE / "held_out.json"


def choose(records: list[dict], pairs: int, seed: int) -> list[list[str]]:
    """[hexcode, style] pairs, from concepts that keep at least two other drawings."""
    styles_of: dict[str, list[str]] = {}
    for record in records:
        styles_of.setdefault(record["hexcode"], []).append(record["style"])
    chooser = random.Random(seed)
    concepts = sorted(code for code, styles in styles_of.items() if len(styles) >= 4)
    chosen = []
    for code in chooser.sample(concepts, len(concepts)):
        style = chooser.choice(sorted(styles_of[code]))
        family = [s for s in styles_of[code] if s.startswith("fluent")] if style.startswith("fluent") else [style]
        chosen += [[code, s] for s in sorted(family)]
        if len(chosen) >= pairs:
            return sorted(chosen)
    return sorted(chosen)


def read() -> set[tuple[str, str]]:
    return {(code, style) for code, style in json.loads(LIST.read_text())["pairs"]}


def write(pairs: list[list[str]]) -> None:
    rows = ",\n  ".join(json.dumps(pair) for pair in pairs)
    LIST.write_text(
        '{"note": "pairs of emojibase hexcode and style that are never trained on", "pairs": [\n  ' + rows + "\n]}\n"
    )
