"""Generated scenes: coloured shapes, long-tailed over classes, on a noisy background with clutter.

The same seed gives the same bytes on every machine and with every version of numpy or Pillow: random
numbers are raw PCG64 output (whose stream numpy guarantees), geometry uses only the four operations that
IEEE 754 rounds exactly, and images are stored as uncompressed PNG.
"""

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Shape = Callable[[NDArray[np.float64], NDArray[np.float64]], Mask]
"""Mask of the points inside, for x (right) and y (down) from -1 to 1."""

_FINE = 2
"""Supersampling factor of the masks, for smooth edges."""


def _disc(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    return x * x + y * y <= 1


def _square(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    return np.ones(np.broadcast(x, y).shape, dtype=np.bool_)


def _triangle(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    return np.asarray(2 * np.abs(x) <= y + 1)


def _ring(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    squared = x * x + y * y
    return np.asarray((squared <= 1) & (squared >= 0.3))


def _cross(x: NDArray[np.float64], y: NDArray[np.float64]) -> Mask:
    return np.asarray((np.abs(x) <= 0.33) | (np.abs(y) <= 0.33))


@dataclass(frozen=True)
class ShapeClass:
    """A class of objects."""

    name: str
    per_mille: int  # of all objects
    rgb: tuple[int, int, int]
    shape: Shape


SHAPES = (
    ShapeClass("disc", 400, (205, 55, 50), _disc),
    ShapeClass("square", 250, (50, 85, 205), _square),
    ShapeClass("triangle", 160, (60, 165, 60), _triangle),
    ShapeClass("ring", 110, (225, 190, 45), _ring),
    ShapeClass("cross", 80, (165, 60, 185), _cross),
)
"""Long-tailed; each class has its own shape and colour."""

BACKGROUND_PER_MILLE = 70
"""Images without an object."""

OBJECTS_PER_MILLE = (500, 350, 150)
"""Images with one, two, three objects, of those that have any."""

CLUTTER = 5
"""Maximum number of grey distractors (strokes and pebbles) per image."""

SIDE_SHARES = (14, 25, 38, 56)
"""Percent of the image's side: bounds of small, medium and large objects, a third of the objects each."""

_COLOUR_JITTER = 25
_LARGEST_OVERLAP = 0.05
_PLACING_TRIES = 20


@dataclass(frozen=True)
class DrawnImage:
    """One generated image and its boxes."""

    pixels: Pixels  # (H, W, 3)
    boxes_xyxy: NDArray[np.float64]  # (N, 4) pixels
    labels: NDArray[np.int64]  # (N,) indices into SHAPES


class _Random:
    """Random integers from PCG64's raw output."""

    def __init__(self, seed: int, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, index]))

    def between(self, low: int, high: int) -> int:
        """From `low` to `high`, inclusive."""
        raw = int(self._bits.random_raw()) >> 32
        return low + (raw * (high - low + 1) >> 32)

    def octets(self, count: int) -> NDArray[np.uint8]:
        raw = np.asarray(self._bits.random_raw(-(-count // 8)), dtype="<u8")
        return raw.view(np.uint8)[:count]


def draw(seed: int, index: int, size: int) -> DrawnImage:
    """Scene number `index` of the series `seed`, `size` pixels wide and high."""
    random = _Random(seed, index)
    pixels = _ground(random, size)
    for _ in range(random.between(0, CLUTTER)):
        _clutter(pixels, random)
    boxes: list[tuple[float, float, float, float]] = []
    labels: list[int] = []
    for _ in range(_object_count(random)):
        label = _choice(random, [shape_class.per_mille for shape_class in SHAPES])
        place = _free_place(random, size, boxes)
        if place is None:
            continue
        shape_class = SHAPES[label]
        colour = [
            min(255, max(0, c + random.between(-_COLOUR_JITTER, _COLOUR_JITTER))) for c in shape_class.rgb
        ]
        _paint(pixels, place, shape_class.shape, colour)
        boxes.append((place[0], place[1], place[2], place[3]))
        labels.append(label)
    return DrawnImage(
        pixels=pixels,
        boxes_xyxy=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        labels=np.array(labels, dtype=np.int64),
    )


def png(pixels: Pixels) -> bytes:
    """An uncompressed PNG: compressed bytes differ between zlib builds, stored blocks do not."""
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + width * 3), dtype=np.uint8)  # a leading 0: no filter
    rows[:, 1:] = pixels.reshape(height, -1)
    raw = rows.tobytes()
    blocks = [raw[start : start + 65535] for start in range(0, len(raw), 65535)]
    stored = b"".join(
        struct.pack("<BHH", number == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
        for number, block in enumerate(blocks)
    )
    stream = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(raw))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def _chunk(shape_class: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + shape_class
        + content
        + struct.pack(">I", zlib.crc32(shape_class + content))
    )


def _choice(random: _Random, per_mille: list[int]) -> int:
    """An index drawn with the given probabilities."""
    drawn = random.between(0, sum(per_mille) - 1)
    return int(np.searchsorted(np.cumsum(per_mille), drawn, side="right"))


def _object_count(random: _Random) -> int:
    if random.between(0, 999) < BACKGROUND_PER_MILLE:
        return 0
    return 1 + _choice(random, list(OBJECTS_PER_MILLE))


def _ground(random: _Random, size: int) -> Pixels:
    """A grey-brown gradient with noise; (size, size, 3)."""
    first = np.array([random.between(60, 200)] * 3) + [random.between(-15, 15) for _ in range(3)]
    last = first + [random.between(-35, 35)] * 3
    ramp = np.arange(size, dtype=np.int64)[:, None]
    column = (first * (size - ramp) + last * ramp) // size  # (size, 3)
    plane = np.broadcast_to(column[:, None, :], (size, size, 3))
    if random.between(0, 1):
        plane = plane.transpose(1, 0, 2)
    noise = random.octets(size * size).astype(np.int64).reshape(size, size, 1) * 25 // 256 - 12
    return np.clip(plane + noise, 0, 255).astype(np.uint8)


def _clutter(pixels: Pixels, random: _Random) -> None:
    """Draw a grey pebble or a thin stroke."""
    size = len(pixels)
    grey = random.between(30, 220)
    colour = [min(255, max(0, grey + random.between(-12, 12))) for _ in range(3)]
    x, y = random.between(0, size - 1), random.between(0, size - 1)
    if random.between(0, 1):
        width, height = random.between(3, max(4, size // 6)), random.between(3, max(4, size // 6))
        _paint(pixels, (x, y, min(size, x + width), min(size, y + height)), _disc, colour)
        return
    length, thick = random.between(size // 6, size // 2), 1 + size // 96
    wide, high = (length, thick) if random.between(0, 1) else (thick, length)
    _paint(pixels, (x, y, min(size, x + wide), min(size, y + high)), _square, colour)


def _free_place(
    random: _Random, size: int, taken: list[tuple[float, float, float, float]]
) -> tuple[int, int, int, int] | None:
    """A box with a size from SIDE_SHARES that hardly overlaps those in `taken`, or None."""
    for _ in range(_PLACING_TRIES):
        band = random.between(0, len(SIDE_SHARES) - 2)
        longer = random.between(SIDE_SHARES[band] * size, SIDE_SHARES[band + 1] * size) // 100
        shorter = longer * random.between(70, 100) // 100
        width, height = (longer, shorter) if random.between(0, 1) else (shorter, longer)
        x, y = random.between(0, size - width), random.between(0, size - height)
        box = (x, y, x + width, y + height)
        if all(_overlap(box, other) <= _LARGEST_OVERLAP for other in taken):
            return box
    return None


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Intersection area as a fraction of the smaller box."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return max(0.0, wide) * max(0.0, high) / min(areas)


def _paint(pixels: Pixels, box: tuple[int, int, int, int], shape: Shape, colour: list[int]) -> None:
    """Fill `shape`, stretched to `box` (xyxy), into `pixels`."""
    left, top, right, bottom = box
    wide, high = (right - left) * _FINE, (bottom - top) * _FINE
    x = ((2 * np.arange(wide) + 1) / wide - 1)[None, :]
    y = ((2 * np.arange(high) + 1) / high - 1)[:, None]
    fine = np.broadcast_to(shape(x, y), (high, wide)).astype(np.int64)
    cover = fine.reshape(high // _FINE, _FINE, wide // _FINE, _FINE).sum(axis=(1, 3))[:, :, None]
    under = pixels[top:bottom, left:right].astype(np.int64)
    whole = _FINE * _FINE
    pixels[top:bottom, left:right] = (under * (whole - cover) + np.array(colour) * cover) // whole
