"""Are the samples like the drawings, as varied as they are, and not merely copies of them?"""

import numpy as np

from training.evaluate import distances, frechet, sampler
from training.evaluate.evaluation import Evaluation, Wanted
from training.evaluate.frechet import Gaussian
from training.evaluate.sampler import Samples
from training.images import to_sample

NEAR_COPY = 0.08  # RMS over the pixels on white, of values in [0, 1], reduced to a quarter of the width


def frechet_distances(evaluation: Evaluation, images: np.ndarray) -> dict:
    """To the real pictures of the grid, in the features of each network, with 95 % bootstrap intervals."""
    real = evaluation.known.images[evaluation.common()]
    return {
        name: frechet.with_interval(
            look(images).features,
            Gaussian.of(look(real).features),
            evaluation.config["resamples"],
            device=evaluation.networks.device,
        ).as_json()
        for name, look in (("judge", evaluation.look), ("second", evaluation.second))
    }


def reconstructed(evaluation: Evaluation) -> dict:
    """What the autoencoder alone costs: its reconstructions of the real pictures of the grid against those pictures."""
    real = evaluation.known.images[evaluation.common()]
    model = evaluation.networks
    batches = [real[first : first + 50] for first in range(0, len(real), 50)]
    images = np.concatenate([sampler.decode(model, model.encode(to_sample(batch).to(model.device))) for batch in batches])
    return frechet_distances(evaluation, images)


def diversity(evaluation: Evaluation, wanted: list[Wanted], samples: Samples) -> dict:
    """Mean pairwise distance of unit features in each network, of samples and of the real drawings."""
    common = evaluation.common()
    known, count = evaluation.known, len(common)
    result = {}
    for name, look in (("judge", evaluation.look), ("second", evaluation.second)):
        features, real = look(samples.images).features, look(known.images[common]).features
        result[name] = {
            "styles_of_a_concept": distances.diversity(features[:count], [one.concepts[0] for one in wanted[:count]]),
            "styles_of_a_concept_real": distances.diversity(real, known.concept[common].tolist()),
            "seeds_of_a_prompt": distances.diversity(features, [one.prompt for one in wanted]),
            "all": round(distances.mean_pairwise(features[:count]), 3),
            "all_real": round(distances.mean_pairwise(real), 3),
        }
    return result


def small_on_white(images: np.ndarray) -> np.ndarray:
    """uint8[N, H, W, 4] -> f32[N, pixels] in [0, 1]: on white, a quarter of the width."""
    seen = (images[..., :3].astype(np.float32) + 255 - images[..., 3:]) / 255
    n, height, width, _ = seen.shape
    return seen.reshape(n, height // 4, 4, width // 4, 4, 3).mean(axis=(2, 4)).reshape(n, -1)


def nearest_rms(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    squares = np.square(queries).sum(1)[:, None] + np.square(references).sum(1) - 2 * queries @ references.T
    return np.sqrt(squares.clip(min=0).min(axis=1) / queries.shape[1])


def memorisation(evaluation: Evaluation, wanted: list[Wanted], samples: Samples, rows: int = 1000) -> dict:
    """The nearest training picture of each sample, by the second network and by pixels.

    The yardstick is real: how near the held-out pictures are to their nearest training picture. A sample nearer than
    half of those is nearer to something learned by heart than a new drawing of the same concept would be.
    """
    known = evaluation.known
    training = known.training
    pairs = np.array([i for i in known.held_out_by("pair") if known.tone[i] == 0])
    references = evaluation.second(known.images[training]).features
    new = evaluation.second(known.images[pairs]).features
    wanted, images = wanted[:rows], samples.images[:rows]
    index, distance = distances.nearest(evaluation.second(images).features, references)
    _, of_new = distances.nearest(new, references)
    found = training[index]
    concept, style = known.concept[found], known.style[found]
    same_concept = concept == np.array([one.concepts[0] for one in wanted])
    trained = np.array([not one.held_out for one in wanted])
    same = same_concept & (style == np.array([one.style for one in wanted]))
    pixels = small_on_white(known.images[training])
    rms, rms_of_new = (nearest_rms(small_on_white(some), pixels) for some in (images, known.images[pairs]))
    return {
        "n": len(images),
        "nearer_than_half_of_new_drawings": round(float((distance < np.median(of_new)).mean()), 3),
        "nearest_is_same_concept": round(float(same_concept.mean()), 3),
        "nearest_is_the_drawing_asked_for": round(float(same[trained].mean()), 3),
        "near_copies_by_pixels": round(float((rms < NEAR_COPY).mean()), 3),
        "near_copies_among_new_drawings": round(float((rms_of_new < NEAR_COPY).mean()), 3),
        "median_pixel_rms": round(float(np.median(rms)), 3),
        "median_pixel_rms_of_new_drawings": round(float(np.median(rms_of_new)), 3),
    }


def neighbours(evaluation: Evaluation, images: np.ndarray, count: int = 3) -> np.ndarray:
    """uint8[N, count, H, W, 4]: the nearest training pictures of each, by the second network."""
    known = evaluation.known
    training = known.training
    references = distances.unit(evaluation.second(known.images[training]).features)
    cosines = distances.unit(evaluation.second(images).features) @ references.T
    return known.images[training[np.argsort(-cosines, axis=1)[:, :count]]]
