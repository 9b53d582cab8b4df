"""Images from disk, at the input size of a network."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.recipe import InputSize

Pixels = NDArray[np.uint8]  # (H, W, 3) RGB
Window = tuple[float, float, float, float]  # xyxy in pixels of the image on disk


def read(
    path: Path, size: InputSize | None = None, window: Window | None = None
) -> tuple[Pixels, tuple[int, int]]:
    """An image and its size on disk (width, height); cropped to `window`, resized to fit `size`.

    Any mode is converted to 8-bit RGB. EXIF is ignored: the images of a layout are upright.
    """
    with Image.open(path) as image:
        size_wh = image.size
        x1, y1, x2, y2 = window or (0, 0, *size_wh)
        shown = (x2 - x1, y2 - y1)
        target = size.fit(shown) if size else (max(1, round(shown[0])), max(1, round(shown[1])))
        # For JPEG alone: decodes at a half, a quarter or an eighth if that is still large enough.
        whole_wh = (round(size_wh[0] * target[0] / shown[0]), round(size_wh[1] * target[1] / shown[1]))
        image.draft("RGB", whole_wh)
        whole = image.convert("RGB")
    if window is not None:
        across, down = whole.width / size_wh[0], whole.height / size_wh[1]
        box = (x1 * across, y1 * down, min(x2 * across, whole.width), min(y2 * down, whole.height))
        whole = whole.resize(target, Image.Resampling.BILINEAR, box=box)
    elif whole.size != target:
        whole = whole.resize(target, Image.Resampling.BILINEAR)  # with antialiasing
    return np.asarray(whole), size_wh
