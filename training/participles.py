"""Words that differ by "-ing" and say the same of a picture: "a laughing face" is what is tagged "laugh"."""


def stems(word: str) -> list[str]:
    """What `word` may be the participle of: grinning -> grinn, grinne, grin."""
    if not word.endswith("ing"):
        return []
    stem = word.removesuffix("ing")
    doubled = len(stem) > 2 and stem[-1] == stem[-2]
    return [stem, stem + "e", *([stem[:-1]] if doubled else [])]


def with_participles(records: list[dict]) -> list[dict]:
    """The records, with the other form of a verb among their tags.

    Only of verbs that some picture has in both forms: a box has nothing of boxing, nor a face of facing.
    """
    others: dict[str, str] = {}
    for record in records:
        words = {word for name in (record["label"], *record["tags"]) for word in name.lower().split()}
        for word in words:
            for stem in words.intersection(stems(word)):
                others |= {word: stem, stem: word}
    more = [[others[tag] for tag in record["tags"] if others.get(tag, tag) not in record["tags"]] for record in records]
    return [record | {"tags": record["tags"] + added} for record, added in zip(records, more, strict=True)]
