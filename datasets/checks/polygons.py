"""Findings about a COCO json's polygons: too few points, outlines that cross themselves.

Detection uses boxes alone, so nothing is lost; but such an outline is a mistake, and its box may be wrong.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.datasets import regular_files
from bench.datasets.checks.finding import EXAMPLES, Example, Finding, found
from bench.datasets.checks.subject import Subject
from bench.gc_pause import gc_paused

_MOST_POINTS = 2_000
"""Points of an outline that is tested: time and memory grow with their square."""


def check(subject: Subject) -> Iterator[Finding]:
    """All findings about polygons."""
    few, crossing = _Kind(), _Kind()
    for entry in subject.source.metadata.get("annotations") or []:
        path = Path(str(entry.get("file", "")) if isinstance(entry, dict) else "")
        if path.suffix == ".json" and path.is_file():
            _collect(path, few, crossing)
    hint = "detection uses boxes alone; look at these outlines, and at their boxes"
    for kind, of, message in (
        ("polygon_few_points", few, "polygons with fewer than 3 points"),
        ("polygon_crosses", crossing, "polygons that cross themselves"),
    ):
        yield from found(kind, "info", message, hint, of.examples, of.count)


class _Kind:
    """Occurrences of one kind."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[Example] = []

    def add(self, row: dict[str, Any], names: dict[Any, str], path: Path, detail: str) -> None:
        self.count += 1
        if len(self.examples) < EXAMPLES:
            image = names.get(row["image_id"], "") if isinstance(row.get("image_id"), (int, str)) else ""
            self.examples.append(Example(image, f"annotation {row.get('id')}", detail, str(path)))


def _collect(path: Path, few: _Kind, crossing: _Kind) -> None:
    """The source has been read before: what is no COCO here has been reported."""
    with gc_paused():
        tree = json.loads(regular_files.read(str(path), regular_files.ANNOTATIONS))
    names = {
        row["id"]: str(row.get("file_name", ""))
        for row in tree["images"]
        if isinstance(row, dict) and isinstance(row.get("id"), (int, str))
    }
    for row in tree["annotations"]:
        rings = row.get("segmentation") if isinstance(row, dict) else None
        for ring in rings if isinstance(rings, list) else []:
            points = _points(ring)
            if points is None:
                continue
            if len(points) < 3:
                few.add(row, names, path, f"{len(points)} points")
            elif len(points) <= _MOST_POINTS and crosses_itself(points):
                crossing.add(row, names, path, f"{len(points)} points")


def _points(ring: Any) -> NDArray[np.float64] | None:
    """(N, 2); None for what is no list of coordinates."""
    try:
        flat = np.array(ring, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if flat.ndim != 1 or len(flat) % 2 or not np.isfinite(flat).all():
        return None
    return flat.reshape(-1, 2)


def crosses_itself(points: NDArray[np.float64]) -> bool:
    """Whether two sides of the closed outline (N, 2) cross in their interiors; touching is no crossing."""
    start, end = points, np.roll(points, -1, axis=0)
    along = end - start  # (N, 2)

    def side(of: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, N): on which side of the line through side i the point j is."""
        apart = of[None] - start[:, None]
        return np.asarray(np.sign(along[:, None, 0] * apart[..., 1] - along[:, None, 1] * apart[..., 0]))

    parted = side(start) * side(end) < 0  # the line through i parts the ends of j
    return bool((parted & parted.T).any())


__all__ = ["check", "crosses_itself"]
