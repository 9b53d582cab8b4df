"""Image files: whether they decode, their upright size, and an upright 8-bit RGB copy where needed."""

import hashlib
import io
import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bench.boxes import Boxes
from bench.datasets import regular_files
from bench.datasets.image_cache import ImageCache
from bench.datasets.names import LINKED_SUFFIXES
from bench.datasets.perceptual_hash import HASHED_SIDE, TURNS, perceptual_hash
from bench.datasets.progress import ProgressCallback, silent

ORIENTATION_TAG = 0x0112
"""EXIF 2.3, 4.6.4: 1 is upright, 2 to 8 are rotated or mirrored."""

_LINKED_FORMATS = frozenset({"JPEG", "PNG", "BMP", "WEBP", "TIFF", "MPO"})
"""What PIL and OpenCV both read."""

_JPEG_END = b"\xff\xd9"
"""ultralytics treats a JPEG with another ending as corrupt and trains on its own re-encoding of it."""

_ROTATED = "turned by EXIF"
_TRAILING_BYTES = "bytes after the JPEG's end"
_SIXTEEN_BIT = "16-bit"

LEAST_SIDE = 10
"""Pixels; ultralytics skips smaller images, so they are skipped for all frameworks."""

LARGEST_FILE = 1 << 30
"""Bytes; a larger file is not read."""

_DRAFT = 8
"""libjpeg decodes at 1/8 size: the whole file is still read and checked, at a fraction of the cost."""

_DEPTHS = (8, 10, 12, 14, 16, 32)
"""Bits of cameras and X-ray detectors that store their values in wider integers."""

_PIXELS_AT_ONCE = 64_000_000
"""Pixels that all threads together decode at a time, 4 bytes each in PIL; a larger image is decoded alone."""


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
    format: str = ""
    """PIL's name of the format, whatever the suffix says."""
    depth: int = 8
    """Bits that the largest value of a 16- or 32-bit image needs; a copy maps 2**depth - 1 to 255."""
    perceptual_hash: int | None = None
    """64 bits, only if asked for."""


def inspect_all(
    paths: Sequence[str],
    progress: ProgressCallback = silent,
    cache: ImageCache | None = None,
    *,
    hashed: bool = False,
) -> list[ImageFile]:
    """`inspect` in threads (PIL and hashlib release the GIL), in the order of `paths`.

    A file whose content is in `cache` is read but not decoded again.
    """
    found: list[ImageFile] = []
    with quiet(), ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for image_file in pool.map(lambda path: inspect(path, cache, hashed=hashed), paths):
            found.append(image_file)
            progress("checking pictures", len(found), len(paths))
    if cache is not None:
        cache.save()
    return found


@contextmanager
def quiet() -> Iterator[None]:
    """Silence PIL's warnings in all threads: broken EXIF in an intact image is no problem."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def inspect(path: str, cache: ImageCache | None = None, *, hashed: bool = False) -> ImageFile:
    """Decode a file to its end. Never raises for a bad image: `problem` says what is wrong."""
    try:
        content = regular_files.read(path, LARGEST_FILE)
    except OSError as error:
        return ImageFile(problem=f"can't be read: {error.strerror or error}")
    if not content:
        return ImageFile(problem="the file is empty")
    sha256 = hashlib.sha256(content).hexdigest()
    known = cache.get(sha256) if cache is not None else None
    if known is not None and (known["perceptual_hash"] is not None or not hashed or known["problem"]):
        found = ImageFile(**{**known, "size_wh": tuple(known["size_wh"])})
    else:
        found = replace(_decode(content, path, hashed), sha256=sha256)
        if cache is not None:
            cache.put(sha256, asdict(found))
    return (
        found if found.copy_because or found.problem else replace(found, suffix=_suffix(path, found.format))
    )


def _decode(content: bytes, path: str, hashed: bool) -> ImageFile:
    """All fields but the hash of the content; `suffix` is that of a copy."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            deep = ";16" in str(getattr(image, "tile", ""))  # before getexif(), which loads a PNG
            orientation = _orientation(image)
            size = _upright(image.size, orientation)
            file_format = image.format or ""
            reason = _copy_reason(image, orientation) or (_SIXTEEN_BIT if deep else "")
            if file_format == "JPEG":
                if not reason and not content.endswith(_JPEG_END):
                    reason = _TRAILING_BYTES
                least = 2 * HASHED_SIDE if hashed else 1
                image.draft(None, (max(least, image.width // _DRAFT), max(least, image.height // _DRAFT)))
            with _decoding.of(image.width * image.height):
                image.load()
                depth = _depth(image, content) if deep or image.mode.startswith("I") else 8
                hashes = perceptual_hash(image, orientation) if hashed else None
    except MemoryError:
        raise
    except (UnidentifiedImageError, ImportError):  # ImportError: a PIL plug-in whose package is missing
        return ImageFile(problem="is not an image in a known format")
    except Exception as error:  # PIL's parsers raise many exception types on broken files
        return ImageFile(problem=str(error).replace(repr(path), "the file")[:200] or type(error).__name__)
    if min(size) < LEAST_SIDE:
        return ImageFile(
            problem=f"is only {size[0]}x{size[1]} pixels; the shortest allowed side is {LEAST_SIDE}"
        )
    kept_as_jpeg = file_format == "JPEG" and reason in (_ROTATED, _TRAILING_BYTES)
    suffix = ".jpg" if kept_as_jpeg else ".png"
    return ImageFile(size, orientation, reason, suffix, "", "", file_format, depth, hashes)


class _Decoding:
    """Lets threads decode at most _PIXELS_AT_ONCE together."""

    def __init__(self) -> None:
        self._free_pixels = _PIXELS_AT_ONCE
        self._changed = threading.Condition()

    @contextmanager
    def of(self, pixels: int) -> Iterator[None]:
        wanted = min(pixels, _PIXELS_AT_ONCE)
        with self._changed:
            self._changed.wait_for(lambda: self._free_pixels >= wanted)
            self._free_pixels -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._free_pixels += wanted
                self._changed.notify_all()


_decoding = _Decoding()


def common_depth(image_files: Sequence[ImageFile]) -> int | None:
    """The largest depth of any 16-bit image; None without one."""
    return max((one.depth for one in image_files if 8 < one.depth <= 16), default=None)


def with_common_depth(image_files: Sequence[ImageFile]) -> list[ImageFile]:
    """All 16-bit images with the largest depth of any, so that equal values stay equal in the copies."""
    common = common_depth(image_files) or 8
    wide = (_SIXTEEN_BIT, "mode I")
    return [
        replace(one, depth=common) if one.depth <= 16 and one.copy_because.startswith(wide) else one
        for one in image_files
    ]


def upright_rgb(path: str, depth: int | None = None) -> Image.Image:
    """The image as 8-bit RGB, rotated upright.

    Integers of more than 8 bits are scaled from 0..2**depth - 1; by default `depth` is that of the image's
    largest value, of 8, 10, 12, 14, 16 or 32 bits. Floats are scaled from 0..1, 0..255 or their own range.
    """
    content = Path(path).read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        deep = ";16" in str(getattr(image, "tile", ""))
        orientation = _orientation(image)
        image.load()
        if deep or image.mode.startswith("I"):
            plain = _scaled(_wide_values(image, content), depth).convert("RGB")
        else:
            plain = (_from_float(image) if image.mode == "F" else image).convert("RGB")
    plain.info = {}  # the orientation is applied, and a CMYK profile does not describe RGB
    return plain.transpose(TURNS[orientation]) if orientation in TURNS else plain


def write_copy(image_file: ImageFile, path: str, target: Path) -> None:
    """Write the copy that a layout needs: a JPEG stays a JPEG of its own quality, all else becomes PNG."""
    if target.suffix != ".jpg":
        upright_rgb(path, image_file.depth).save(target, format="PNG", compress_level=1)
        return
    content = Path(path).read_bytes()
    if image_file.copy_because == _TRAILING_BYTES and _JPEG_END in content:
        target.write_bytes(content[: content.rindex(_JPEG_END) + len(_JPEG_END)])
        return
    with Image.open(io.BytesIO(content)) as image:
        quantization = list(getattr(image, "quantization", {}).values())
    upright_rgb(path).save(target, format="JPEG", qtables=quantization[:2], subsampling=0)


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
        return _ROTATED
    names = {"1": "1-bit", "P": "palette", "PA": "palette", "CMYK": "CMYK", "LA": "alpha", "RGBA": "alpha"}
    if image.mode not in ("RGB", "L"):
        return names.get(image.mode, f"mode {image.mode}")
    if image.format not in _LINKED_FORMATS:
        return f"format {image.format}"
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
        return "several frames"
    return ""


def _suffix(path: str, file_format: str) -> str:
    """The file's own suffix if frameworks recognise it."""
    own = Path(path).suffix
    return own if own.lower() in LINKED_SUFFIXES else "." + (file_format or "png").lower()


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


def _depth(image: Image.Image, content: bytes) -> int:
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
