"""The pixels of an image file as 8-bit RGB, upright: what every framework sees."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench.boxes import Boxes
from bench.datasets.perceptual_hash import TURNS

ORIENTATION_TAG = 0x0112
"""EXIF 2.3, 4.6.4: 1 is upright, 2 to 8 are rotated or mirrored."""

_DEPTHS = (8, 10, 12, 14, 16, 32)
"""Bits of cameras and X-ray detectors that store their values in wider integers."""


def upright_rgb(path: str, depth: int | None = None) -> Image.Image:
    """The image as 8-bit RGB, rotated upright.

    Integers of more than 8 bits are scaled from 0..2**depth - 1; by default `depth` is that of the image's
    largest value, of 8, 10, 12, 14, 16 or 32 bits. Floats are scaled from 0..1, 0..255 or their own range.
    """
    content = Path(path).read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        deep = is_deep(image)
        orientation = orientation_of(image)
        image.load()
        if deep or image.mode.startswith("I"):
            plain = _scaled(_wide_values(image, content), depth).convert("RGB")
        else:
            plain = (_from_float(image) if image.mode == "F" else image).convert("RGB")
    plain.info = {}  # the orientation is applied, and a CMYK profile does not describe RGB
    return plain.transpose(TURNS[orientation]) if orientation in TURNS else plain


def turn_boxes(boxes_xyxy: Boxes, size_wh: tuple[int, int], orientation: int) -> Boxes:
    """Map boxes from the stored frame of size `size_wh` to the upright one; (N, 4) pixels."""
    width, height = size_wh
    x, y = boxes_xyxy[:, [0, 2]], boxes_xyxy[:, [1, 3]]
    turned = {
        1: (x, y),
        2: (width - x, y),
        3: (width - x, height - y),
        4: (x, height - y),
        5: (y, x),
        6: (height - y, x),
        7: (height - y, width - x),
        8: (y, width - x),
    }
    new_x, new_y = turned[orientation]
    return np.stack([new_x.min(1), new_y.min(1), new_x.max(1), new_y.max(1)], axis=1)


def is_deep(image: Image.Image) -> bool:
    """Whether the file has 16 bits per channel. To be asked before getexif(), which loads a PNG."""
    return ";16" in str(getattr(image, "tile", ""))


def orientation_of(image: Image.Image) -> int:
    """1 to 8; 1 for TIFF, which PIL rotates by itself, and for values that EXIF does not define."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF in an intact image: cameras write it, viewers ignore it
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _wide_values(image: Image.Image, content: bytes) -> NDArray[np.float64]:
    """Values of an image of more than 8 bits: (H, W) grey or (H, W, 3) RGB."""
    if image.mode.startswith("I"):
        return np.asarray(image).astype(np.float64)
    import cv2  # PIL keeps only the upper 8 of 16 bits of a colour image

    values = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        return np.asarray(image.convert("RGB")).astype(np.float64) * 257
    if values.ndim == 3:
        values = values[:, :, 2::-1] if values.shape[2] >= 3 else values[:, :, 0]
    return values.astype(np.float64)


def depth_of(image: Image.Image, content: bytes) -> int:
    """Bits that the largest value of an image of more than 8 bits needs, of _DEPTHS."""
    top = int(_wide_values(image, content).max(initial=0))
    return next(bits for bits in _DEPTHS if top < 1 << bits or bits == _DEPTHS[-1])


def _scaled(values: NDArray[np.float64], depth: int | None) -> Image.Image:
    """Integers of 0..2**depth - 1 as 8-bit grey or RGB."""
    top = int(values.max(initial=0))
    least = next(bits for bits in _DEPTHS if top < 1 << bits or bits == _DEPTHS[-1])
    bits = least if depth is None else max(depth, least)
    return _as_bytes(values * (255.0 / ((1 << bits) - 1)))


def _from_float(image: Image.Image) -> Image.Image:
    """A float grey image as 8-bit grey."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return _as_bytes(values * 255.0)
    if low >= 0 and high <= 255:
        return _as_bytes(values)
    return _as_bytes((values - low) * (255.0 / (high - low)))


def _as_bytes(values: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
