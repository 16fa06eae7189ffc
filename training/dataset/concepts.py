"""The 200 common concepts of concepts.json: chosen by hand before any training, judged after it."""

import json
from dataclasses import dataclass

from training.settings import HERE

LIST = HERE / "concepts.json"


@dataclass
class Concepts:
    """CLDR labels. A gesture is a common concept that also comes in five skin tones."""

    plain: list[str]
    gestures: list[str]

    @property
    def labels(self) -> list[str]:
        return self.plain + self.gestures


def read() -> Concepts:
    content = json.loads(LIST.read_text())
    return Concepts(content["concepts"], content["gestures"])
