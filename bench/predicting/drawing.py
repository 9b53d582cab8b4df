"""Draw boxes with names and scores on a copy of an image, legible on any background."""

import colorsys
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from bench.detector import Detections
from bench.reports.palette import COLOURS, tone

LEAST_SIDE = 480
"""Smaller images are enlarged, so that a name fits beside a box."""

_GOLDEN_ANGLE = 0.381966
"""Of a full turn: successive hues at this distance never come close to each other (Vogel 1979)."""

_LINE_SHARE = 1 / 400
_TEXT_SHARE = 1 / 45
_LEAST_TEXT = 12
_PAD = 2
"""Pixels around a name."""


def draw(image: Image.Image, found: Detections, classes: Sequence[str]) -> Image.Image:
    """A copy of the upright RGB `image` with every detection, the best ones on top.

    The copy of a small image is enlarged by an integer factor.
    """
    zoom = max(1, math.ceil(LEAST_SIDE / max(image.size)))
    copy = image.resize((image.width * zoom, image.height * zoom)) if zoom > 1 else image.copy()
    line = max(2, round(max(copy.size) * _LINE_SHARE))
    font = _font(max(_LEAST_TEXT, round(max(copy.size) * _TEXT_SHARE)))
    pen = ImageDraw.Draw(copy)
    rows = list(zip(found.boxes_xyxy * zoom, found.scores, found.labels.tolist(), strict=True))
    for box, _, label in reversed(rows):
        _rectangle(pen, box.tolist(), _colours(label)[0], line)
    for box, score, label in reversed(rows):  # names above all boxes
        _name(pen, box.tolist(), f"{classes[label]} {score:.2f}", _colours(label), font, copy.size)
    return copy


def _rectangle(pen: ImageDraw.ImageDraw, box: list[float], colour: str, line: int) -> None:
    """In colour between two thin dark lines, to be visible on any background."""
    left, top, right, bottom = (round(value) for value in box)
    right, bottom = max(left, right - 1), max(top, bottom - 1)
    pen.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline="black")
    within = (line, line) if right - left > 2 * line and bottom - top > 2 * line else None
    if within:
        pen.rectangle((left + line, top + line, right - line, bottom - line), outline="black")
    pen.rectangle((left, top, right, bottom), outline=colour, width=line if within else 1)


def _name(
    pen: ImageDraw.ImageDraw,
    box: list[float],
    text: str,
    colours: tuple[str, str],
    font: ImageFont.FreeTypeFont,
    size_wh: tuple[int, int],
) -> None:
    """On a filled rectangle above the box, or inside it at the top of the image."""
    _, up, length, down = pen.textbbox((0, 0), text, font=font)
    width, height = length + 2 * _PAD, down - up + 2 * _PAD
    left = max(0, min(round(box[0]), size_wh[0] - round(width)))
    top = round(box[1] - height) if box[1] >= height else round(max(0, box[1]))
    pen.rectangle((left - 1, top - 1, left + width + 1, top + height + 1), fill="black")
    pen.rectangle((left, top, left + width, top + height), fill=colours[0])
    pen.text((left + _PAD, top + _PAD - up), text, fill=colours[1], font=font)


def _colours(label: int) -> tuple[str, str]:
    """Colours of a class and of text on it: those of the report, then distinct hues."""
    if label < COLOURS:
        return tone(label).light, tone(label).text
    red, green, blue = colorsys.hsv_to_rgb(label * _GOLDEN_ANGLE % 1, 0.75, 0.95)
    bright = 0.299 * red + 0.587 * green + 0.114 * blue  # luma, ITU-R BT.601
    code = "".join(f"{round(value * 255):02x}" for value in (red, green, blue))
    return f"#{code}", "#000000" if bright > 0.5 else "#ffffff"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    """matplotlib's DejaVu Sans, which has Greek and Cyrillic too; PIL's own knows Latin alone."""
    import matplotlib

    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"), size)
