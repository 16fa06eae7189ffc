"""How often people may ask for each concept: by this, real pictures of what is not common are shared out."""

from collections import Counter
from collections.abc import Callable

from training.tokenizer import WordTokenizer

# What tells the variants of one drawing of a person: a man, a woman or a person juggling, to the left or to the right.
VARIANTS = {"man", "woman", "person", "facing", "right"}


def concepts_asked_for(
    records: list[dict],
    tokenizer: WordTokenizer,
    often: Callable[[list[str]], float],
    group_weights: dict[str, float],
) -> dict[str, float]:
    """Of each base, up to a factor: how often its name is said, by the weight of its group, which is 1 unless named.

    Variants of a person count as one concept together: else every third picture would be of people at their jobs.
    """
    bases = {record["base"]: record for record in records}
    names = {base: tokenizer.known_words(tokenizer.word_ids(record["base_label"])) for base, record in bases.items()}
    things = {base: frozenset(name) - VARIANTS or frozenset(name) for base, name in names.items()}
    variants = Counter(things.values())
    return {
        base: often(names[base]) * group_weights.get(record["group"], 1.0) / variants[things[base]]
        for base, record in bases.items()
    }
