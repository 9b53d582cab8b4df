"""What the data was, from the run's manifest: splits, classes, repairs, origin.

The manifest is read leniently: a part that is absent is left out of the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.layout import SPLITS
from bench.reports import wording
from bench.reports.comparison import Comparison
from bench.reports.training import plain

MOST_LISTED = 100
"""Findings of a kind that the page lists; the manifest and repairs.csv have more."""

MOST_TEXT = 400
"""Characters of one fact."""


SHOWN_ELSEWHERE = (("table", "rows"), ("split", "counts"))
"""Parts of the manifest that have a table of their own."""

EMPTY: tuple[object, ...] = (None, "", [], {})


@dataclass(frozen=True)
class SplitSize:
    """One split's size; None where the manifest has no figure."""

    name: str
    images: int | None
    background: int | None  # images without a box
    boxes: int | None
    crowds: int | None
    sizes: tuple[int | None, ...]  # small, medium and large boxes, by COCO's bounds
    pixels: str  # '416 × 416', or the ranges of width and height


@dataclass(frozen=True)
class ClassBoxes:
    """Boxes of one class in train, val and test, and the bar of its share of all."""

    name: str
    counts: tuple[int, ...]
    bar: float  # percent of the longest


@dataclass(frozen=True)
class MappedClass:
    """What a class of the source was mapped to."""

    source: str
    target: str
    boxes: int | None
    dropped: bool


@dataclass(frozen=True)
class Repair:
    """One kind of finding."""

    kind: str
    meaning: str
    count: int
    listed: tuple[tuple[str, str, str], ...]  # picture, record, detail

    @property
    def more(self) -> int:
        """Findings that the page does not list."""
        return self.count - len(self.listed)


@dataclass(frozen=True)
class DataSheet:
    """All that the page says about the data."""

    known: bool  # there is a manifest
    splits: tuple[SplitSize, ...]
    classes: tuple[ClassBoxes, ...]
    mapped: tuple[MappedClass, ...]  # empty where every class kept its name
    repairs: tuple[Repair, ...]
    facts: tuple[tuple[str, str], ...]
    limit: str


def datasheet(comparison: Comparison) -> DataSheet:
    """From the manifest of the comparison's first run that has one."""
    manifest = comparison.manifest
    statistics = _mapping(manifest.get("statistics"))
    by_split = {name: _mapping(statistics.get(name)) for name in SPLITS}
    return DataSheet(
        known=bool(manifest),
        splits=tuple(_split_size(name, part) for name, part in by_split.items() if part),
        classes=_class_counts(comparison.classes, list(by_split.values())),
        mapped=_mapped(_mapping(manifest.get("table"))),
        repairs=_repairs(_mapping(manifest.get("repairs"))),
        facts=tuple(_facts(manifest)),
        limit=_limit(manifest.get("limit")),
    )


def _split_size(name: str, part: Mapping[str, Any]) -> SplitSize:
    sizes = _mapping(part.get("sizes"))
    width, height = _range(part.get("width_px")), _range(part.get("height_px"))
    return SplitSize(
        name=name,
        images=_whole(part.get("images")),
        background=_whole(part.get("background")),
        boxes=_whole(part.get("boxes")),
        crowds=_whole(part.get("crowds")),
        sizes=tuple(_whole(sizes.get(size)) for size in ("small", "medium", "large")),
        pixels=f"{width} \N{MULTIPLICATION SIGN} {height}" if width and height else "",
    )


def _range(value: Any) -> str:
    """'416', or '320–1,280' where images differ."""
    sides = _mapping(value)
    low, high = _whole(sides.get("min")), _whole(sides.get("max"))
    if low is None or high is None:
        return ""
    return f"{low:,}" if low == high else f"{low:,}\N{EN DASH}{high:,}"


def _class_counts(classes: Sequence[str], parts: Sequence[Mapping[str, Any]]) -> tuple[ClassBoxes, ...]:
    """Most frequent class first."""
    counted = [_mapping(part.get("classes")) for part in parts]
    if not any(counted):
        return ()
    rows = [(name, tuple(_whole(counts.get(name)) or 0 for counts in counted)) for name in classes]
    longest = max((sum(counts) for _, counts in rows), default=0) or 1
    rows.sort(key=lambda row: -sum(row[1]))
    return tuple(ClassBoxes(name, counts, round(100 * sum(counts) / longest, 2)) for name, counts in rows)


def _mapped(table: Mapping[str, Any]) -> tuple[MappedClass, ...]:
    rows = [row for row in table.get("rows") or [] if isinstance(row, Mapping)]
    if all(row.get("source") == row.get("class") for row in rows):
        return ()
    return tuple(
        MappedClass(
            source=str(row.get("source", "")),
            target=str(row.get("class") or ""),
            boxes=_whole(row.get("boxes")),
            dropped=row.get("class") is None,
        )
        for row in sorted(rows, key=lambda row: -(_whole(row.get("boxes")) or 0))
    )


def _repairs(found: Mapping[str, Any]) -> tuple[Repair, ...]:
    """Most frequent kind first."""
    repairs = []
    for kind, value in found.items():
        part = _mapping(value)
        listed = part.get("listed") or []
        amount = _whole(part.get("count", value)) or len(listed)
        if amount:
            repairs.append(
                Repair(
                    kind=kind,
                    meaning=str(part.get("meaning", kind.replace("_", " "))),
                    count=amount,
                    listed=tuple(_finding(item) for item in listed[:MOST_LISTED]),
                )
            )
    return tuple(sorted(repairs, key=lambda repair: -repair.count))


def _finding(item: Any) -> tuple[str, str, str]:
    part = _mapping(item)
    return str(part.get("image", "")), str(part.get("record", "")), str(part.get("detail", ""))


def _limit(value: Any) -> str:
    """'64 of 640 images, a stratified share of each split'; empty where all were taken."""
    part = _mapping(value)
    taken, of = _whole(part.get("images")), _whole(part.get("of"))
    if taken is not None and of is not None:
        how = f", {part['how']}" if part.get("how") else ""
        return f"{taken:,} of {wording.count(of, 'image')}{how}"
    return plain(value) if value else ""


def _facts(manifest: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Origin, split and class table, flattened to words and values."""
    facts = [("dataset key", str(manifest["key"]))] if "key" in manifest else []
    for part, prefix in (("source", ""), ("split", "split, "), ("table", "class table, ")):
        for setting, item in _mapping(manifest.get(part)).items():
            if (part, setting) not in SHOWN_ELSEWHERE and item not in EMPTY:
                facts.append((f"{prefix}{setting}".replace("_", " "), _cut(plain(item))))
    return facts


def _cut(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT]} …"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
