"""Drawn scenes: coloured shapes with a long tail of classes, before a noisy ground with clutter.

The same seed gives the same bytes on every machine and with every version of numpy or Pillow: random
numbers are raw PCG64 output (whose stream numpy guarantees), geometry uses only the four operations that
IEEE 754 rounds exactly, and pictures are stored as uncompressed PNG.
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
"""Which points lie inside, for x (right) and y (down) from -1 to 1."""

_FINE = 2
"""Masks are drawn so many times finer than pixels, for smooth edges."""


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
class Kind:
    """A class of objects."""

    name: str
    per_mille: int  # of all objects
    rgb: tuple[int, int, int]
    shape: Shape


KINDS = (
    Kind("disc", 400, (205, 55, 50), _disc),
    Kind("square", 250, (50, 85, 205), _square),
    Kind("triangle", 160, (60, 165, 60), _triangle),
    Kind("ring", 110, (225, 190, 45), _ring),
    Kind("cross", 80, (165, 60, 185), _cross),
)
"""Long-tailed; shape and colour both tell the classes apart."""

BACKGROUND_PER_MILLE = 70
"""Pictures without an object."""

OBJECTS_PER_MILLE = (500, 350, 150)
"""Pictures with one, two, three objects, of those that have any."""

CLUTTER = 5
"""At most so many grey strokes and pebbles a picture, which are no objects."""

SIDE_SHARES = (14, 25, 38, 56)
"""Hundredths of the picture's side: a third of the objects each is small, medium, large, between these."""

_COLOUR_JITTER = 25
_LARGEST_OVERLAP = 0.05
_PLACING_TRIES = 20


@dataclass(frozen=True)
class Scene:
    """One picture and what is in it."""

    pixels: Pixels  # (H, W, 3)
    boxes_xyxy: NDArray[np.float64]  # (N, 4) pixels
    labels: NDArray[np.int64]  # (N,) indices into KINDS


class _Dice:
    """Whole random numbers from PCG64's raw output."""

    def __init__(self, seed: int, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, index]))

    def between(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        raw = int(self._bits.random_raw()) >> 32
        return low + (raw * (high - low + 1) >> 32)

    def octets(self, count: int) -> NDArray[np.uint8]:
        raw = np.asarray(self._bits.random_raw(-(-count // 8)), dtype="<u8")
        return raw.view(np.uint8)[:count]


def draw(seed: int, index: int, size: int) -> Scene:
    """The scene number `index` of the series `seed`, `size` pixels wide and high."""
    dice = _Dice(seed, index)
    pixels = _ground(dice, size)
    for _ in range(dice.between(0, CLUTTER)):
        _clutter(pixels, dice)
    boxes: list[tuple[float, float, float, float]] = []
    labels: list[int] = []
    for _ in range(_object_count(dice)):
        label = _choice(dice, [kind.per_mille for kind in KINDS])
        place = _free_place(dice, size, boxes)
        if place is None:
            continue
        kind = KINDS[label]
        colour = [min(255, max(0, c + dice.between(-_COLOUR_JITTER, _COLOUR_JITTER))) for c in kind.rgb]
        _paint(pixels, place, kind.shape, colour)
        boxes.append((place[0], place[1], place[2], place[3]))
        labels.append(label)
    return Scene(
        pixels=pixels,
        boxes_xyxy=np.array(boxes, dtype=np.float64).reshape(-1, 4),
        labels=np.array(labels, dtype=np.int64),
    )


def png(pixels: Pixels) -> bytes:
    """An uncompressed PNG: compressors differ between machines, stored blocks do not."""
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


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _choice(dice: _Dice, per_mille: list[int]) -> int:
    """An index, with the probabilities given."""
    drawn = dice.between(0, sum(per_mille) - 1)
    return int(np.searchsorted(np.cumsum(per_mille), drawn, side="right"))


def _object_count(dice: _Dice) -> int:
    if dice.between(0, 999) < BACKGROUND_PER_MILLE:
        return 0
    return 1 + _choice(dice, list(OBJECTS_PER_MILLE))


def _ground(dice: _Dice, size: int) -> Pixels:
    """A light or dark grey-brown ramp with noise; (size, size, 3)."""
    first = np.array([dice.between(60, 200)] * 3) + [dice.between(-15, 15) for _ in range(3)]
    last = first + [dice.between(-35, 35)] * 3
    ramp = np.arange(size, dtype=np.int64)[:, None]
    column = (first * (size - ramp) + last * ramp) // size  # (size, 3)
    plane = np.broadcast_to(column[:, None, :], (size, size, 3))
    if dice.between(0, 1):
        plane = plane.transpose(1, 0, 2)
    noise = dice.octets(size * size).astype(np.int64).reshape(size, size, 1) * 25 // 256 - 12
    return np.clip(plane + noise, 0, 255).astype(np.uint8)


def _clutter(pixels: Pixels, dice: _Dice) -> None:
    """A grey pebble, or a thin stroke."""
    size = len(pixels)
    grey = dice.between(30, 220)
    colour = [min(255, max(0, grey + dice.between(-12, 12))) for _ in range(3)]
    x, y = dice.between(0, size - 1), dice.between(0, size - 1)
    if dice.between(0, 1):
        width, height = dice.between(3, max(4, size // 6)), dice.between(3, max(4, size // 6))
        _paint(pixels, (x, y, min(size, x + width), min(size, y + height)), _disc, colour)
        return
    length, thick = dice.between(size // 6, size // 2), 1 + size // 96
    wide, high = (length, thick) if dice.between(0, 1) else (thick, length)
    _paint(pixels, (x, y, min(size, x + wide), min(size, y + high)), _square, colour)


def _free_place(
    dice: _Dice, size: int, taken: list[tuple[float, float, float, float]]
) -> tuple[int, int, int, int] | None:
    """A box of a size from SIDE_SHARES that hardly overlaps those `taken`; None if none is found."""
    for _ in range(_PLACING_TRIES):
        band = dice.between(0, len(SIDE_SHARES) - 2)
        longer = dice.between(SIDE_SHARES[band] * size, SIDE_SHARES[band + 1] * size) // 100
        shorter = longer * dice.between(70, 100) // 100
        width, height = (longer, shorter) if dice.between(0, 1) else (shorter, longer)
        x, y = dice.between(0, size - width), dice.between(0, size - height)
        box = (x, y, x + width, y + height)
        if all(_overlap(box, other) <= _LARGEST_OVERLAP for other in taken):
            return box
    return None


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Common area as a share of the smaller box."""
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return max(0.0, wide) * max(0.0, high) / min(areas)


def _paint(pixels: Pixels, box: tuple[int, int, int, int], shape: Shape, colour: list[int]) -> None:
    """Fill `shape`, stretched to `box` (xyxy), over `pixels`."""
    left, top, right, bottom = box
    wide, high = (right - left) * _FINE, (bottom - top) * _FINE
    x = ((2 * np.arange(wide) + 1) / wide - 1)[None, :]
    y = ((2 * np.arange(high) + 1) / high - 1)[:, None]
    fine = np.broadcast_to(shape(x, y), (high, wide)).astype(np.int64)
    cover = fine.reshape(high // _FINE, _FINE, wide // _FINE, _FINE).sum(axis=(1, 3))[:, :, None]
    under = pixels[top:bottom, left:right].astype(np.int64)
    whole = _FINE * _FINE
    pixels[top:bottom, left:right] = (under * (whole - cover) + np.array(colour) * cover) // whole
