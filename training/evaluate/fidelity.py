"""Does a picture show what was asked for? Top-1 and top-5 of the grid, of held-out pairs, synonyms, tones, newcomers."""

import numpy as np

from training.evaluate import accuracy, prompts
from training.evaluate.evaluation import Evaluation, Wanted
from training.evaluate.looks import Opinion
from training.evaluate.sampler import Samples


def top(opinion: Opinion, wanted: list[Wanted], rows: np.ndarray | None = None) -> dict:
    rows = np.arange(len(wanted)) if rows is None else rows
    meant = [list(wanted[row].concepts) for row in rows]
    scores = opinion.scores["concept"][rows]
    return {f"top{k}": accuracy.share(accuracy.hits(scores, meant, k)) for k in (1, 5)}


def real_pictures(evaluation: Evaluation) -> dict:
    """How often the judges are right about real pictures that nothing was trained on."""
    known = evaluation.known
    pairs = np.array([i for i in known.held_out_by("pair") if known.tone[i] == 0])
    tones = known.held_out_by("tone")
    meant = [[concept] for concept in known.concept]
    result = {}
    for name, look in (("judge", evaluation.look), ("second", evaluation.second)):
        opinion = look(known.images[pairs])
        result[name] = {
            f"top{k}": accuracy.share(accuracy.hits(opinion.scores["concept"], [meant[i] for i in pairs], k))
            for k in (1, 5)
        }
        if name == "judge":
            style = opinion.scores["style"].argmax(axis=1) == known.style[pairs]
            tone = evaluation.look(known.images[tones]).scores["tone"].argmax(axis=1) == known.tone[tones]
            result[name] |= {"style": accuracy.share(style), "tone": accuracy.share(tone)}
    return result


def grid(evaluation: Evaluation, wanted: list[Wanted], samples: Samples) -> dict:
    """Top-1 and top-5 of all samples, of those of held-out pairs, and by style."""
    opinion, second = evaluation.look(samples.images), evaluation.second(samples.images)
    held_out = np.flatnonzero([one.held_out for one in wanted])
    styles = np.array([one.style for one in wanted])
    right_style = opinion.scores["style"].argmax(axis=1) == styles
    common = sorted({one.concepts[0] for one in wanted})
    among = Opinion(opinion.features, {"concept": opinion.scores["concept"][:, common]})
    places = {concept: place for place, concept in enumerate(common)}
    narrowed = [Wanted(one.prompt, (places[one.concepts[0]],)) for one in wanted]
    return {
        "all": top(opinion, wanted),
        "among_the_common": top(among, narrowed),
        "second": top(second, wanted),
        "held_out_pairs": top(opinion, wanted, held_out) | {"style": accuracy.share(right_style[held_out])},
        "trained_pairs": top(opinion, wanted, np.flatnonzero([not one.held_out for one in wanted])),
        "style": accuracy.share(right_style),
        "by_style": {
            evaluation.style_word(style): top(opinion, wanted, np.flatnonzero(styles == style))
            for style in sorted(set(styles))
        },
        "never_drawn": never_drawn(evaluation, wanted, opinion),
    }


def never_drawn(evaluation: Evaluation, wanted: list[Wanted], opinion: Opinion) -> list[str]:
    """The concepts that no sample of theirs shows, even among the five best guesses."""
    hit = accuracy.hits(opinion.scores["concept"], [list(one.concepts) for one in wanted], 5)
    seen = {one.concepts[0] for one, right in zip(wanted, hit, strict=True) if right}
    return [evaluation.known.labels[c] for c in sorted({one.concepts[0] for one in wanted}) if c not in seen]


def synonyms(evaluation: Evaluation) -> dict:
    """Words outside every caption, in each style. `chance` is the same pictures asked for another synonym's meaning."""
    words = prompts.read(prompts.SYNONYMS)
    known = evaluation.known
    wanted = [
        Wanted(f"{word.prompt}, {evaluation.style_word(style)}", tuple(known.classes(word.meant)))
        for _ in range(evaluation.config["synonym_seeds"])
        for style in range(len(known.styles))
        for word in words
    ]
    opinion = evaluation.look(evaluation.draw(wanted).images)
    shifted = [list(wanted[(i + 11) % len(words) + i // len(words) * len(words)].concepts) for i in range(len(wanted))]
    hit = accuracy.hits(opinion.scores["concept"], [list(one.concepts) for one in wanted], 5)
    return top(opinion, wanted) | {
        "chance_top5": accuracy.share(accuracy.hits(opinion.scores["concept"], shifted, 5)),
        "by_word": {word.prompt: round(float(hit[place :: len(words)].mean()), 2) for place, word in enumerate(words)},
    }


def tones(evaluation: Evaluation) -> dict:
    """Gestures in skin tones that they were never trained with, in every style."""
    known = evaluation.known
    labels = {
        (known.records[i]["label"], int(known.concept[i]), int(known.tone[i])) for i in known.held_out_by("tone")
    }
    wanted = [
        Wanted(f"{label}, {evaluation.style_word(style)}", (concept,), style, tone, held_out=True)
        for _ in range(evaluation.config["tone_seeds"])
        for style in range(len(known.styles))
        for label, concept, tone in sorted(labels)
    ]
    opinion = evaluation.look(evaluation.draw(wanted).images)
    asked, seen = np.array([one.tone for one in wanted]), opinion.scores["tone"].argmax(axis=1)
    return top(opinion, wanted) | {
        "tone": accuracy.share(seen == asked),
        "tone_within_one": accuracy.share(np.abs(seen - asked) <= 1),
        "combinations": len(labels),
    }


def newcomers(evaluation: Evaluation) -> tuple[dict, list[Wanted], Samples, np.ndarray]:
    """The 64 prompts of the contact sheet: the figures, and what the sheet is made of."""
    wanted = [
        Wanted(one.prompt, tuple(evaluation.known.classes(one.meant))) for one in prompts.read(prompts.NEWCOMERS)
    ]
    samples = evaluation.draw(wanted)
    opinion = evaluation.look(samples.images)
    hit = accuracy.hits(opinion.scores["concept"], [list(one.concepts) for one in wanted], 5)
    best = opinion.scores["concept"].argmax(axis=1)
    result = top(opinion, wanted) | {
        "recognised": int(hit.sum()),
        "of": len(wanted),
        "failures": {
            one.prompt: evaluation.known.labels[guess]
            for one, right, guess in zip(wanted, hit, best, strict=True)
            if not right
        },
    }
    return result, wanted, samples, hit
