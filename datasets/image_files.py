"""Image files: whether they decode, their upright size, and an upright 8-bit RGB copy where needed."""

import hashlib
import io
import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from bench.boxes import Boxes
from bench.datasets.names import LINKED_SUFFIXES
from bench.datasets.progress import ProgressCallback, silent

ORIENTATION_TAG = 0x0112
"""EXIF 2.3, 4.6.4: 1 is upright, 2 to 8 are rotated or mirrored."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_LINKED_FORMATS = frozenset({"JPEG", "PNG", "BMP", "WEBP", "TIFF", "MPO"})
"""What PIL and OpenCV both read."""

_JPEG_END = b"\xff\xd9"
"""ultralytics treats a JPEG with another ending as corrupt and trains on its own re-encoding of it."""

LEAST_SIDE = 10
"""Pixels; ultralytics skips smaller images, so they are skipped for all frameworks."""

_DRAFT = 8
"""libjpeg decodes at 1/8 size: the whole file is still read and checked, at a fraction of the cost."""


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What inspecting a file found."""

    size_wh: tuple[int, int] = (0, 0)
    """Pixels, upright, as every framework will see it."""
    orientation: int = 1
    copy_because: str = ""
    """Why frameworks need a converted copy; empty if the file itself can be linked."""
    suffix: str = ".png"
    """Suffix of the file name in a layout."""
    sha256: str = ""
    problem: str = ""
    """Why it can't be used; empty if it can."""


def inspect_all(paths: Sequence[str], progress: ProgressCallback = silent) -> list[ImageFile]:
    """`inspect` in threads (PIL and hashlib release the GIL), in the order of `paths`."""
    found: list[ImageFile] = []
    with quiet(), ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for image_file in pool.map(inspect, paths):
            found.append(image_file)
            progress("checking pictures", len(found), len(paths))
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Silence PIL's warnings in all threads: broken EXIF in an intact image is no problem."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inspect(path: str) -> ImageFile:
    """Decode a file to its end. Never raises for a bad image: `problem` says what is wrong."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        return ImageFile(problem=f"can't be read: {error.strerror}")
    if not content:
        return ImageFile(problem="the file is empty")
    try:
        with Image.open(io.BytesIO(content)) as image:
            deep = ";16" in str(getattr(image, "tile", ""))  # before getexif(), which loads a PNG
            orientation = _orientation(image)
            size = _upright(image.size, orientation)
            reason = _copy_reason(image, orientation) or ("16-bit" if deep else "")
            suffix = _suffix(path, image.format) if not reason else ".png"
            if image.format == "JPEG":
                if not reason and not content.endswith(_JPEG_END):
                    reason, suffix = "bytes after the JPEG's end", ".png"
                image.draft(None, (image.width // _DRAFT, image.height // _DRAFT))
            image.load()
    except MemoryError:
        raise
    except (UnidentifiedImageError, ImportError):  # ImportError: a PIL plug-in whose package is missing
        return ImageFile(problem="is not an image in a known format")
    except Exception as error:  # PIL's parsers raise many exception types on broken files
        return ImageFile(problem=str(error).replace(repr(path), "the file") or type(error).__name__)
    if min(size) < LEAST_SIDE:
        return ImageFile(
            problem=f"is only {size[0]}x{size[1]} pixels; the shortest allowed side is {LEAST_SIDE}"
        )
    return ImageFile(size, orientation, reason, suffix, hashlib.sha256(content).hexdigest())


def upright_rgb(path: str) -> Image.Image:
    """The image as 8-bit RGB, rotated upright.

    16 bits are scaled to 8 over their whole range, never cut; floats from 0..1, 0..255 or their own range.
    """
    with Image.open(path) as image:
        orientation = _orientation(image)
        image.load()
        grey = image.mode.startswith(("I", "F"))
        plain = (_eight_bit(image) if grey else image).convert("RGB")
    plain.info = {}  # the orientation is applied, and a CMYK profile does not describe RGB
    return plain.transpose(_TURNS[orientation]) if orientation in _TURNS else plain


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


def _orientation(image: Image.Image) -> int:
    """1 to 8; 1 for TIFF, which PIL rotates by itself, and for values that EXIF does not define."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF in an intact image: cameras write it, viewers ignore it
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(size_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    return size_wh if orientation < 5 else (size_wh[1], size_wh[0])


def _copy_reason(image: Image.Image, orientation: int) -> str:
    """Why frameworks might decode different pixels or sizes from the file; '' if they agree."""
    if orientation != 1 or (image.format == "TIFF" and image.getexif().get(ORIENTATION_TAG, 1) != 1):
        return "turned by EXIF"
    names = {"1": "1-bit", "P": "palette", "PA": "palette", "CMYK": "CMYK", "LA": "alpha", "RGBA": "alpha"}
    if image.mode not in ("RGB", "L"):
        return names.get(image.mode, f"mode {image.mode}")
    if image.format not in _LINKED_FORMATS:
        return f"format {image.format}"
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        return "several frames"
    return ""


def _suffix(path: str, file_format: str | None) -> str:
    """The file's own suffix if frameworks recognise it."""
    own = Path(path).suffix
    return own if own.lower() in LINKED_SUFFIXES else "." + (file_format or "png").lower()


def _eight_bit(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys, as 8-bit grey."""
    values = np.asarray(image).astype(np.float64)
    if image.mode.startswith("I"):
        top = 65535.0 if values.size == 0 or values.max() <= 65535 else 4294967295.0
        scaled = values * (255.0 / top)
    else:
        values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 1:
            scaled = values * 255.0
        elif low >= 0 and high <= 255:
            scaled = values
        else:
            scaled = (values - low) * (255.0 / (high - low))
    return Image.fromarray(np.clip(np.rint(scaled), 0, 255).astype(np.uint8))
