"""The report of a check as one HTML file, with thumbnails that show the boxes meant."""

import base64
import io
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from jinja2 import Environment
from markupsafe import Markup

from bench.datasets.checks.finding import Example, Report
from bench.datasets.image_files import quiet
from bench.datasets.pixels import upright_rgb

_SIDE = 320
"""Pixels of a thumbnail's longer side."""

_LEAST_SHOWN = 6.0
"""Pixels of a thumbnail; a smaller box would not be seen."""

_MARGIN = 1.5
"""A box that is small in its image is shown in a cut-out this many times its size on each side."""


@dataclass(frozen=True)
class Thumbnail:
    """A cut-out of an image, small, and the boxes in it."""

    uri: str
    width: int
    height: int
    boxes_xywh: tuple[tuple[float, float, float, float], ...]  # pixels of the thumbnail


def render(report: Report, css: str = "") -> str:
    """The page; `css` is put before its own few rules."""
    text = resources.files("bench.datasets.checks").joinpath("page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters["code"] = _with_code
    template = environment.from_string(text)
    with quiet():
        thumbnails = {
            finding.kind + finding.severity: [
                (example, shots)
                for example in finding.examples
                if example.path and (shots := _thumbnails(example))
            ]
            for finding in report.findings
        }
    name = Path(report.path).name or report.path
    return template.render(report=report, name=name, css=css, thumbnails=thumbnails)


def _with_code(text: str) -> Markup:
    """Text between backticks as code."""
    parts = text.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else part for number, part in enumerate(parts)
    )


def _thumbnails(example: Example) -> list[Thumbnail]:
    other = replace(example, path=example.other_path, boxes_xyxy=()) if example.other_path else None
    found = [thumbnail(one) for one in (example, other) if one is not None]
    return [one for one in found if one is not None]


def thumbnail(example: Example) -> Thumbnail | None:
    """The image, or the part of it around the boxes where they are small; None if it can't be read."""
    try:
        image = upright_rgb(example.path)
    except (OSError, ValueError, SyntaxError):
        return None
    left, top, right, bottom = _part(image.size, example.boxes_xyxy)
    cut = image.crop((left, top, right, bottom))
    cut.thumbnail((_SIDE, _SIDE))
    stored = io.BytesIO()
    cut.save(stored, format="JPEG", quality=80)
    scale = cut.width / (right - left)
    boxes = tuple(
        (
            *_at_least((x1 - left) * scale, (x2 - left) * scale),
            *_at_least((y1 - top) * scale, (y2 - top) * scale),
        )
        for x1, y1, x2, y2 in example.boxes_xyxy
    )
    boxes = tuple((x, y, w, h) for x, w, y, h in boxes)
    uri = "data:image/jpeg;base64," + base64.b64encode(stored.getvalue()).decode("ascii")
    return Thumbnail(uri, cut.width, cut.height, boxes)


def _at_least(low: float, high: float) -> tuple[float, float]:
    """Start and length, widened about the middle where they could not be seen."""
    length = max(high - low, _LEAST_SHOWN)
    return round((low + high - length) / 2, 2), round(length, 2)


def _part(
    size_wh: tuple[int, int], boxes: tuple[tuple[float, float, float, float], ...]
) -> tuple[int, int, int, int]:
    """The part of the image to show, xyxy."""
    width, height = size_wh
    if not boxes:
        return 0, 0, width, height
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)
    side = max(right - left, bottom - top)
    if side > min(width, height) / 4:
        return 0, 0, width, height
    reach = max(_MARGIN * side, min(width, height) / 8)
    x1, y1 = max(0, int(left - reach)), max(0, int(top - reach))
    x2, y2 = min(width, int(right + reach) + 1), min(height, int(bottom + reach) + 1)
    return (x1, y1, x2, y2) if x2 - x1 > 1 and y2 - y1 > 1 else (0, 0, width, height)
