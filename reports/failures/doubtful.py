"""Candidates for errors of the labels as the page lists them: cut out of the pictures that it holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.reports.failures.gallery import Shot
from bench.reports.failures.label_candidates import Candidate
from bench.reports.failures.tags import Rect

MOST_SHOWN = 24
AROUND = 0.6
"""Of a box's sides that the cut-out shows around it."""


@dataclass(frozen=True)
class Shown:
    """A candidate with its picture."""

    candidate: Candidate
    shot: int  # its place among the shots, from 1
    picture_id: str
    cut: Rect  # percent of the picture
    box: Rect
    width_over_height: float  # of the cut-out in pixels


def on_page(found: Sequence[Candidate], shots: Sequence[Shot]) -> list[Shown]:
    """The first MOST_SHOWN whose pictures are on the page."""
    places = {shot.picture.image_id: (number, shot) for number, shot in enumerate(shots, 1)}
    kept = [one for one in found if one.image_id in places][:MOST_SHOWN]
    return [_shown(one, *places[one.image_id]) for one in kept]


def _shown(one: Candidate, number: int, shot: Shot) -> Shown:
    w, h = shot.picture.size_wh
    x1, y1, x2, y2 = one.box_xyxy
    dx, dy = AROUND * (x2 - x1) + 4, AROUND * (y2 - y1) + 4
    left, top = max(0.0, x1 - dx), max(0.0, y1 - dy)
    right, bottom = min(float(w), x2 + dx), min(float(h), y2 + dy)
    return Shown(
        one,
        number,
        shot.id,
        _percent(left, top, right, bottom, w, h),
        _percent(x1, y1, x2, y2, w, h),
        (right - left) / max(bottom - top, 1.0),
    )


def _percent(x1: float, y1: float, x2: float, y2: float, w: int, h: int) -> Rect:
    return Rect(
        round(100 * x1 / w, 2),
        round(100 * y1 / h, 2),
        round(100 * (x2 - x1) / w, 2),
        round(100 * (y2 - y1) / h, 2),
    )
