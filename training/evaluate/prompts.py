"""The committed prompt lists: words outside the captions, and what somebody new would type."""

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SYNONYMS = HERE / "synonyms.json"
NEWCOMERS = HERE / "newcomers.json"


@dataclass(frozen=True)
class Prompt:
    prompt: str
    meant: tuple[str, ...]  # any of these labels counts


def read(path: Path) -> list[Prompt]:
    return [Prompt(row["prompt"], tuple(row["meant"])) for row in json.loads(path.read_text())["prompts"]]
