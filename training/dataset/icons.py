"""Finds, for each emoji of emojibase, its drawing in each style's Iconify collection."""

import json
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

LICENCES = {
    "noto": "Apache-2.0",
    "noto-v1": "Apache-2.0",
    "fluent-emoji": "MIT",
    "fluent-emoji-flat": "MIT",
    "twemoji": "CC-BY-4.0",
}

# The word a prompt uses for a style: one token each.
STYLE_WORDS = {
    "noto": "noto",
    "noto-v1": "blob",
    "fluent-emoji": "fluent",
    "fluent-emoji-flat": "flat",
    "twemoji": "twemoji",
}


@dataclass
class Emoji:
    """An entry of emojibase: a base concept, or one of its skin tones, whose label says so in words."""

    hexcode: str
    emoji: str
    label: str
    tags: list[str]
    group: str
    subgroup: str
    base: str  # hexcode without skin tone
    base_label: str
    tone: int | None  # 1 light .. 5 dark


def read_emojibase(package: Path, toned: list[str]) -> list[Emoji]:
    """Every entry that belongs to a group (regional indicators do not), with the skin tones of the `toned` labels."""
    names = json.loads((package / "meta/groups.json").read_text())
    emojis = []
    for entry in json.loads((package / "en/data.json").read_text()):
        if "group" not in entry:
            continue
        for variant in [entry, *(entry.get("skins", []) if entry["label"] in toned else [])]:
            emojis.append(
                Emoji(
                    hexcode=variant["hexcode"],
                    emoji=variant["emoji"],
                    label=variant["label"],
                    tags=entry.get("tags", []),
                    group=names["groups"][str(entry["group"])],
                    subgroup=names["subgroups"][str(entry["subgroup"])],
                    base=entry["hexcode"],
                    base_label=entry["label"],
                    tone=variant.get("tone"),
                )
            )
    return emojis


def normal_hexcode(code: str) -> str:
    """Upper case without the variation selector, which the collections use inconsistently."""
    return "-".join(part for part in code.upper().split("-") if part != "FE0F")


def slug(label: str) -> str:
    """An Iconify name made from a CLDR label: "cat with wry smile" -> "cat-with-wry-smile"."""
    plain = unicodedata.normalize("NFKD", label.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("&", "and").replace("'", "")).strip("-")


class Collection:
    """One style: icons by name, and names by hexcode.

    noto-v1 and fluent-emoji ship an empty chars.json, so names are shared between the styles: all five collections
    name their icons after the CLDR label.
    """

    def __init__(self, package: Path):
        data = json.loads((package / "icons.json").read_text())
        self.icons = data["icons"]
        self.aliases = data.get("aliases", {})
        self.width, self.height = data.get("width", 16), data.get("height", 16)
        chars = json.loads((package / "chars.json").read_text())
        self.name_of = {normal_hexcode(code): name for code, name in chars.items()}

    def find(self, name: str) -> dict | None:
        seen = 0
        while name in self.aliases and seen < 5:
            name, seen = self.aliases[name]["parent"], seen + 1
        return self.icons.get(name)

    def svg(self, icon: dict) -> str:
        left, top = icon.get("left", 0), icon.get("top", 0)
        width, height = icon.get("width", self.width), icon.get("height", self.height)
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'
        )


def drawing(emoji: Emoji, style: str, collections: dict[str, Collection]) -> str | None:
    """The SVG text of an emoji in a style, or None where the style has no such drawing."""
    collection = collections[style]
    code = normal_hexcode(emoji.hexcode)
    order = [style] + [other for other in collections if other != style]
    names = [collections[other].name_of[code] for other in order if code in collections[other].name_of]
    for name in [*names, slug(emoji.label)]:
        icon = collection.find(name)
        if icon is not None:
            return collection.svg(icon)
    return None
