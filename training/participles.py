"""Words that differ by "-ing" and say the same of a picture: a laughing face is one that laughs."""


def verbs_of(records: list[dict]) -> dict[str, str]:
    """Participle -> verb, where some picture has both in its label and tags: a box has nothing of boxing."""
    verbs = {}
    for record in records:
        words = {word for name in (record["label"], *record["tags"]) for word in name.lower().split()}
        for word in words:
            verbs |= {word: stem for stem in words.intersection(_stems(word))}
    return verbs


def _stems(word: str) -> list[str]:
    """grinning -> grinn, grinne, grin"""
    if not word.endswith("ing"):
        return []
    stem = word.removesuffix("ing")
    doubled = len(stem) > 2 and stem[-1] == stem[-2]
    return [stem, stem + "e", *([stem[:-1]] if doubled else [])]
