"""What the network sees: RGB in 0..1, the same in training and in prediction."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.detector import Inspectable
from bench.gates.gate import GateFailed
from bench.gates.scenes import QUADRANTS
from bench.layout import Example

Seen = NDArray[np.float64]  # (H, W, 3)

NEAR = 0.03
"""In 0..1, of the mean over the middle of a quadrant: resizing and rounding stay far below."""

SHAPE_SLACK = 2.0
"""Pixels by which a side may differ from the picture's own shape, for rounding."""


def right_colours(detector: Inspectable, colours: Example, others: Sequence[Example]) -> str:
    """Raises GateFailed for what `predict` or `fit` shows the network otherwise than it is."""
    seen = list(detector.inference_inputs([colours.path]))
    fed = list(detector.training_inputs([colours]))
    if len(seen) != 1 or len(fed) != 1:
        raise GateFailed(f"one picture gave {len(seen)} seen and {len(fed)} fed")
    for where, image in (("prediction", seen[0]), ("training", fed[0])):
        _check_shape(where, image, colours.size_wh)
        _check_quadrants(where, image)
    paths = [example.path for example in others]
    for example, one, other in zip(
        others, detector.inference_inputs(paths), detector.training_inputs(others), strict=True
    ):
        _check_alike(example.path, one, other)
    return f"RGB in 0..1, the same in training and prediction, on {1 + len(others)} pictures"


def _check_shape(where: str, image: Seen, size_wh: tuple[int, int]) -> None:
    if image.ndim != 3 or image.shape[2] != 3:
        raise GateFailed(f"in {where} the network sees shape {image.shape}, not (H, W, 3)")
    height, width, _ = image.shape
    scale = max(width, height) / max(size_wh)
    off = max(abs(width - size_wh[0] * scale), abs(height - size_wh[1] * scale))
    if off > SHAPE_SLACK:
        raise GateFailed(f"in {where} a picture of {size_wh[0]}x{size_wh[1]} is squeezed to {width}x{height}")
    if image.min() < -NEAR or image.max() > 1 + NEAR:
        raise GateFailed(f"in {where} values run from {image.min():.2f} to {image.max():.2f}, not 0 to 1")


def _check_quadrants(where: str, image: Seen) -> None:
    wanted = np.array(QUADRANTS) / 255  # (4, 3)
    means = _quadrant_means(image)
    if np.abs(means - wanted).max() <= NEAR:
        return
    if np.abs(means[:, ::-1] - wanted).max() <= NEAR:
        raise GateFailed(f"in {where} red and blue are swapped: the network sees BGR for RGB")
    worst = int(np.abs(means - wanted).max(axis=1).argmax())
    raise GateFailed(
        f"in {where} the colour {_written(wanted[worst])} is seen as {_written(means[worst])} (RGB in 0..1)"
    )


def _quadrant_means(image: Seen) -> Seen:
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


def _check_alike(path: Path, seen: Seen, fed: Seen) -> None:
    """Both have the picture's own mean colour."""
    with Image.open(path) as image:
        own = np.asarray(image.convert("RGB"), dtype=np.float64).mean(axis=(0, 1)) / 255
    for where, one in (("prediction", seen), ("training", fed)):
        mean = one.mean(axis=(0, 1))
        if np.abs(mean - own).max() > NEAR:
            raise GateFailed(
                f"{path.name} has the mean colour {_written(own)}; in {where} it is {_written(mean)}"
            )


def _written(colour: Seen) -> str:
    return "(" + ", ".join(f"{part:.2f}" for part in colour) + ")"
