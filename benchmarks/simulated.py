"""Detectors of known quality on made-up images, for benchmarks/coverage.py.

Legend: N images, I items, C classes, T IoU thresholds, B draws of images.

An item is an object, or a place in an image that is mistaken for one. Every training gives each item one
detection. Its score and its overlap with the object follow from the item's difficulty, which all models
share, the model's affinity to it, which all seeds of the model share, and noise of the single training:

    strength = quality + seed's luck - difficulty + affinity + noise       logit of the score
    overlap  = sigmoid(1.6 + 0.5 (localisation + seed's luck + half the strength's deviation + noise))

There is no geometry: a detection of an object matches it at every IoU threshold below its overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

IOUS = (0.5, 0.75, 0.9)
"""A sample of COCO's ten thresholds: enough for the noise of an AP, at a third of its cost."""

CLASS_SHARES = (0.50, 0.25, 0.13, 0.08, 0.04)
"""A long tail: in 100 images the rarest class has some ten objects."""

OBJECTS_AN_IMAGE = 2.5
CONFUSERS_AN_IMAGE = 4.0


@dataclass(frozen=True)
class Scene:
    """The images of one split. An image without items counts too."""

    images: int
    image: NDArray[np.int64]  # (I,)
    label: NDArray[np.int64]  # (I,)
    is_object: NDArray[np.bool_]  # (I,)
    difficulty: Array  # (I,)
    group: NDArray[np.int64]  # (N,) the source that an image is a copy of
    source: NDArray[np.int64]  # (I,) the item that an item is a copy of


@dataclass(frozen=True)
class Model:
    """A way of training: what its seeds share, and how far they scatter."""

    quality: float = 0.6
    localisation: float = 0.0
    alarms: float = 0.0
    """Added to the strength of places that are no object."""
    affinity: float = 0.6
    """Standard deviation of the model's luck with an item, shared by its seeds."""
    noise: float = 0.5
    """Standard deviation of a single training's luck with an item."""
    seed_sd: float = 0.0
    """Of the quality over seeds."""


def scene(images: int, rng: np.random.Generator, copies: int = 1) -> Scene:
    """`images` images drawn from the population, or so many copies of each of fewer sources.

    Copies have the same items, as difficult for every model; only the noise of a training differs. So the
    AP of a population of copies is that of the population.
    """
    if copies > 1:
        sources = scene(images // copies, rng)
        items = len(sources.image)
        copy = np.repeat(np.arange(copies), items)
        return Scene(
            images=sources.images * copies,
            image=np.tile(sources.image, copies) + copy * sources.images,
            label=np.tile(sources.label, copies),
            is_object=np.tile(sources.is_object, copies),
            difficulty=np.tile(sources.difficulty, copies),
            group=np.tile(np.arange(sources.images), copies),
            source=np.tile(np.arange(items), copies),
        )
    objects = rng.poisson(OBJECTS_AN_IMAGE, images)
    confusers = rng.poisson(CONFUSERS_AN_IMAGE * np.exp(rng.normal(-0.125, 0.5, images)))
    image = np.concatenate([np.repeat(np.arange(images), objects), np.repeat(np.arange(images), confusers)])
    is_object = np.arange(len(image)) < objects.sum()
    of_image = rng.normal(0.0, 0.7, images)
    difficulty = of_image[image] * np.where(is_object, 1.0, -0.3) + rng.normal(0.0, 0.9, len(image))
    label = rng.choice(len(CLASS_SHARES), size=len(image), p=CLASS_SHARES)
    return Scene(
        images,
        image,
        label,
        is_object,
        difficulty + np.where(is_object, 0.0, 1.4),
        np.arange(images),
        np.arange(len(image)),
    )


def train(
    model: Model, luck: Sequence[float], seen: Scene, rng: np.random.Generator
) -> list[tuple[Array, Array]]:
    """(strength, overlap) of every item, (I,) each, for one training per entry of `luck`."""
    items = len(seen.image)
    to_image = rng.normal(size=seen.images)[seen.group[seen.image]]
    affinity = model.affinity * (0.5 * to_image + rng.normal(size=items)[seen.source])
    affinity_box = model.affinity * rng.normal(size=items)[seen.source]
    found = []
    for own in luck:
        drift = affinity - seen.difficulty + model.noise * rng.normal(size=items)
        skill = model.quality + own
        strength = drift + np.where(seen.is_object, skill, model.alarms - 0.5 * skill)
        box = model.localisation + own + 0.5 * drift + affinity_box + model.noise * rng.normal(size=items)
        overlap = np.where(seen.is_object, 1 / (1 + np.exp(-1.6 - 0.5 * box)), 0.0)
        found.append((strength, overlap))
    return found


def average_precision(seen: Scene, strength: Array, overlap: Array, weights: Array) -> Array:
    """COCO's AP over IOUS and classes, (B,), where image i counts `weights[i, b]` times; weights (N, B).

    Precision is enveloped and read at 101 recalls. Between two true positives nothing changes what is read,
    so only they are visited: the j-th raises the recall from r' to r and answers for the thresholds between.
    A class without an object in a draw is left out of that draw's mean, as pycocotools leaves it out.
    """
    total = np.zeros(weights.shape[1])
    classes = np.zeros(weights.shape[1])
    for label in range(len(CLASS_SHARES)):
        rows = np.flatnonzero(seen.label == label)
        objects = weights[seen.image[rows[seen.is_object[rows]]]].sum(axis=0)
        there = objects > 0
        classes += there
        rows = rows[np.argsort(-strength[rows], kind="stable")]
        kept = np.cumsum(weights[seen.image[rows]], axis=0)
        per_object = 100 / np.maximum(objects, 1)
        for iou in IOUS:
            hits = np.flatnonzero(overlap[rows] >= iou)
            if not len(hits):
                continue
            found = np.cumsum(weights[seen.image[rows[hits]]], axis=0)
            envelope = np.maximum.accumulate((found / np.maximum(kept[hits], 1))[::-1], axis=0)[::-1]
            read = np.floor(found * per_object + 1e-4) + (found > 0)
            read[1:] -= read[:-1].copy()
            total += there * np.einsum("ij,ij->j", envelope, read) / (101 * len(IOUS))
    return total / np.maximum(classes, 1)


def population_ap(model: Model, images: int = 100_000, seed: int = 1) -> tuple[float, float]:
    """Mean and standard deviation over seeds of the AP on a population of `images` images.

    The seeds' luck is integrated by Gauss-Hermite quadrature; the images of a seed are the same for every
    model. Even so many images leave the difference of two models uncertain by 0.0005.
    """
    nodes, shares = np.polynomial.hermite_e.hermegauss(5)
    shares = shares / shares.sum()
    if model.seed_sd == 0:
        nodes, shares = np.zeros(1), np.ones(1)
    rng = np.random.default_rng(seed)
    seen = scene(images, rng)
    ones = np.ones((images, 1), dtype=np.float32)
    aps = np.array(
        [average_precision(seen, *one, ones)[0] for one in train(model, model.seed_sd * nodes, seen, rng)]
    )
    mean = float(shares @ aps)
    return mean, float(np.sqrt(shares @ (aps - mean) ** 2))


def calibrated(model: Model, target: float, tolerance: float = 1e-4) -> Model:
    """`model` with the quality at which its seeds' mean AP on the population is `target`."""
    slope = 0.11  # of AP over quality, near enough
    for _ in range(12):
        miss = population_ap(model)[0] - target
        if abs(miss) < tolerance:
            break
        model = replace(model, quality=model.quality - miss / slope)
    return model
