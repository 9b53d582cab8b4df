"""Pictures from disk, at the size that a network takes them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB


def read(path: Path, long_side: int | None = None) -> tuple[Pixels, tuple[int, int]]:
    """A picture and its size on disk (width, height); the longer side becomes `long_side` where one is given.

    Whatever the picture's mode, it comes as 8-bit RGB. It is not turned: layouts hold upright pictures.
    """
    with Image.open(path) as picture:
        size_wh = picture.size
        target = size_wh if long_side is None else fitted(size_wh, long_side)
        # JPEG alone follows this: it decodes at a half, a quarter or an eighth where that is still enough.
        picture.draft("RGB", target)
        whole = picture.convert("RGB")
    if whole.size != target:
        whole = whole.resize(target, Image.Resampling.BILINEAR)  # averages where it shrinks
    return np.asarray(whole), size_wh


def fitted(size_wh: tuple[int, int], long_side: int) -> tuple[int, int]:
    """The size of the same shape whose longer side is `long_side`; no side is under one pixel."""
    longer = max(size_wh)
    width, height = (max(1, round(side * long_side / longer)) for side in size_wh)
    return width, height
