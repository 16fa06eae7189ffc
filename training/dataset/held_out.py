"""What is never trained on: `held_out.json`, a committed list.

Pairs: one drawing of every common concept, that is a (base concept, style) pair with all its skin tones. fluent-emoji
and fluent-emoji-flat are one drawing coloured two ways, so they are held out together and count as one.
Tones: whole (gesture, skin tone) combinations, in every style.
"""

import json
import random

from training.settings import HERE

LIST = HERE / "held_out.json"
KEPT_DRAWINGS = 2


def drawing_of(style: str) -> str:
    return "fluent" if style.startswith("fluent") else style


def choose_pairs(records: list[dict], chooser: random.Random) -> list[list[str]]:
    """[base, style] rows, each style about equally often."""
    styles_of: dict[str, set[str]] = {}
    for record in records:
        if record["common"] and record["tone"] is None:
            styles_of.setdefault(record["base"], set()).add(record["style"])
    times: dict[str, int] = {}
    chosen = []
    for base in chooser.sample(sorted(styles_of), len(styles_of)):
        drawings = sorted({drawing_of(style) for style in styles_of[base]})
        if len(drawings) <= KEPT_DRAWINGS:
            raise SystemExit(f"{base} has only the drawings {drawings}: nothing of it can be held out")
        drawing = min(chooser.sample(drawings, len(drawings)), key=lambda name: times.get(name, 0))
        times[drawing] = times.get(drawing, 0) + 1
        chosen += [[base, style] for style in styles_of[base] if drawing_of(style) == drawing]
    return sorted(chosen)


def choose_tones(records: list[dict], count: int, chooser: random.Random) -> list[list]:
    """[base, tone] rows: at most one a gesture, the tones in turn."""
    gestures = sorted({record["base"] for record in records if record["tone"] is not None})
    return sorted([base, index % 5 + 1] for index, base in enumerate(chooser.sample(gestures, count)))


def choose(records: list[dict], tones: int, seed: int) -> dict:
    chooser = random.Random(seed)
    return {"pairs": choose_pairs(records, chooser), "tones": choose_tones(records, tones, chooser)}


def reason(record: dict, lists: dict) -> str | None:
    """Why a picture is held out: "pair", "tone", or None for one that is trained on."""
    if [record["base"], record["style"]] in lists["pairs"]:
        return "pair"
    if [record["base"], record["tone"]] in lists["tones"]:
        return "tone"
    return None


def read() -> dict:
    return json.loads(LIST.read_text())


def write(lists: dict) -> None:
    def rows(name: str) -> str:
        return f'  "{name}": [\n    ' + ",\n    ".join(json.dumps(row) for row in lists[name]) + "\n  ]"

    note = "never trained on: [base hexcode, style] and [base hexcode, skin tone 1..5]"
    LIST.write_text("{\n" + f'  "note": "{note}",\n' + rows("pairs") + ",\n" + rows("tones") + "\n}\n")
