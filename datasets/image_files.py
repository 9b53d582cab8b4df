"""Image files: whether they decode, their upright size, and the copy that a layout needs of some."""

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

from PIL import Image, UnidentifiedImageError

from bench.datasets import regular_files
from bench.datasets.image_cache import ImageCache
from bench.datasets.names import LINKED_SUFFIXES
from bench.datasets.perceptual_hash import HASHED_SIDE, perceptual_hash
from bench.datasets.pixels import ORIENTATION_TAG, depth_of, is_deep, orientation_of, upright_rgb
from bench.datasets.progress import ProgressCallback, silent

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
            deep = is_deep(image)  # before getexif(), which loads a PNG
            orientation = orientation_of(image)
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
                depth = depth_of(image, content) if deep or image.mode.startswith("I") else 8
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
