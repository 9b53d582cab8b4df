"""What was mended, dropped or set aside on the way in: counted by kind, listed by picture and box."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

KINDS: dict[str, str] = {
    "clipped": "boxes that reached out of their picture, cut at its edge",
    "repeated": "boxes that repeat another of their picture and class exactly, dropped",
    "degenerate": "boxes without width or height, dropped",
    "polygon": "boxes computed from a polygon",
    "orphan_annotation": "annotations whose picture is not listed, dropped",
    "no_file": "pictures that are listed but not there, dropped with their boxes",
    "duplicate_annotation": "annotations that repeat an earlier one, id and all; dropped",
    "duplicate_annotation_id": "annotations with the id of an earlier, different one; kept under a new id",
    "duplicate_picture": "pictures listed a second time; the second entry is dropped",
    "ambiguous_picture": "pictures that share an id with another, set aside: their boxes can't be told apart",
    "oriented": "pictures turned upright by their EXIF orientation",
    "oriented_boxes": "pictures whose boxes were given in the unturned frame, turned with the picture",
    "resized": "pictures whose listed size is another than the file's; boxes scaled to the file",
    "size_disagrees": "pictures of another shape than listed, set aside: their boxes can't be trusted",
    "size_missing": "pictures listed without a size; the file's was taken",
    "unreadable": "pictures that can't be read, end too early or are tiny, set aside",
    "converted": "pictures copied as 8-bit RGB: 16-bit, CMYK, palette, alpha, 1-bit, odd files",
}
"""Kind -> what it says, in the manifest and on the page."""

LISTED = 10_000
"""Findings of a kind that the manifest lists; repairs.csv beside it lists all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was not as it should be, and what was done."""

    kind: str
    image: str
    record: str = ""
    """The box: 'annotation 17', 'line 3'; empty where the whole picture is meant."""
    detail: str = ""


def account(findings: Iterable[Finding]) -> dict[str, Any]:
    """The manifest's `repairs`: kind -> count, meaning, list; kinds that did not occur are left out."""
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    return {
        kind: {
            "count": len(found),
            "meaning": meaning,
            "listed": [_item(finding) for finding in found[:LISTED]],
        }
        for kind, meaning in KINDS.items()
        if (found := by_kind.get(kind))
    }


def _item(finding: Finding) -> dict[str, str]:
    item = {"image": finding.image, "record": finding.record, "detail": finding.detail}
    return {key: value for key, value in item.items() if value}
