"""The network's input: RGB in 0..1, the same in training and in prediction."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.detector import Inspectable
from bench.gates.gate import GateFailed
from bench.gates.patterns import QUADRANTS
from bench.layout import Example

Pixels = NDArray[np.float64]  # (H, W, 3)

NEAR = 0.03
"""Tolerance for mean colours, in 0..1; resizing and rounding stay far below."""

SHAPE_SLACK = 2.0
"""Pixels by which rounding may change a side."""


def check_colours(detector: Inspectable, colours: Example, others: Sequence[Example]) -> str:
    """Raises GateFailed where `predict` or `fit` gives the network other colours or shapes than the image
    has."""
    seen = list(detector.inference_inputs([colours.path]))
    fed = list(detector.training_inputs([colours]))
    if len(seen) != 1 or len(fed) != 1:
        raise GateFailed(f"one image gave {len(seen)} inputs in prediction and {len(fed)} in training")
    for where, image in (("prediction", seen[0]), ("training", fed[0])):
        _check_shape(where, image, colours.size_wh)
        _check_quadrants(where, image)
    paths = [example.path for example in others]
    for example, one, other in zip(
        others, detector.inference_inputs(paths), detector.training_inputs(others), strict=True
    ):
        _check_alike(example.path, one, other)
    return f"RGB in 0..1, the same in training and prediction, on {1 + len(others)} images"


def _check_shape(where: str, image: Pixels, size_wh: tuple[int, int]) -> None:
    if image.ndim != 3 or image.shape[2] != 3:
        raise GateFailed(f"in {where} the network sees shape {image.shape}, not (H, W, 3)")
    height, width, _ = image.shape
    scale = max(width, height) / max(size_wh)
    off = max(abs(width - size_wh[0] * scale), abs(height - size_wh[1] * scale))
    if off > SHAPE_SLACK:
        raise GateFailed(f"in {where} an image of {size_wh[0]}x{size_wh[1]} is squeezed to {width}x{height}")
    if image.min() < -NEAR or image.max() > 1 + NEAR:
        raise GateFailed(f"in {where} values run from {image.min():.2f} to {image.max():.2f}, not 0 to 1")


def _check_quadrants(where: str, image: Pixels) -> None:
    wanted = np.array(QUADRANTS) / 255  # (4, 3)
    means = _quadrant_means(image)
    if np.abs(means - wanted).max() <= NEAR:
        return
    if np.abs(means[:, ::-1] - wanted).max() <= NEAR:
        raise GateFailed(f"in {where} red and blue are swapped: the network sees BGR for RGB")
    worst = int(np.abs(means - wanted).max(axis=1).argmax())
    raise GateFailed(
        f"in {where} the colour {_format(wanted[worst])} is seen as {_format(means[worst])} (RGB in 0..1)"
    )


def _quadrant_means(image: Pixels) -> Pixels:
    """Means over the middle of each quadrant, (4, 3)."""
    height, width, _ = image.shape
    means = [
        image[
            int((row + 0.15) * height / 2) : int((row + 0.85) * height / 2) + 1,
            int((column + 0.15) * width / 2) : int((column + 0.85) * width / 2) + 1,
        ].mean(axis=(0, 1))
        for row in range(2)
        for column in range(2)
    ]
    return np.array(means)


def _check_alike(path: Path, seen: Pixels, fed: Pixels) -> None:
    """Both must have the mean colour of the file."""
    with Image.open(path) as image:
        own = np.asarray(image.convert("RGB"), dtype=np.float64).mean(axis=(0, 1)) / 255
    for where, one in (("prediction", seen), ("training", fed)):
        mean = one.mean(axis=(0, 1))
        if np.abs(mean - own).max() > NEAR:
            raise GateFailed(
                f"{path.name} has the mean colour {_format(own)}; in {where} it is {_format(mean)}"
            )


def _format(colour: Pixels) -> str:
    return "(" + ", ".join(f"{part:.2f}" for part in colour) + ")"
