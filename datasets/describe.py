"""The class distribution of each split of a layout, as rows and as a figure.

For a class with n of a split's N boxes, C classes of the split having any:
    share            n / N
    inverse density  N / n             how rare it is: the reciprocal of the share
    weight           (N / n) / mean of N / n over the C classes    inverse frequency, 1 on average
"""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench import files
from bench.errors import ConfigError
from bench.layout import CATEGORY_OFFSET, SPLITS, Layout, SplitName

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".svg", ".png", ".pdf")
"""What a figure can be written as."""


@dataclass(frozen=True)
class ClassCounts:
    """One class in one split. `inverse_density` and `weight` are None for a class without boxes."""

    split: SplitName
    name: str
    boxes: int
    images: int
    """Images with at least one box of the class."""
    share: float
    inverse_density: float | None
    weight: float | None


@dataclass(frozen=True)
class SplitCounts:
    """One split."""

    split: SplitName
    images: int
    background: int
    boxes: int


@dataclass(frozen=True)
class Distribution:
    """What `bench data describe` prints and draws; crowds are left out throughout."""

    splits: tuple[SplitCounts, ...]
    classes: tuple[ClassCounts, ...]  # split by split, in the order of the classes

    def of(self, split: SplitName) -> list[ClassCounts]:
        return [row for row in self.classes if row.split == split]


def describe(layout: Layout) -> Distribution:
    """Count a layout's boxes."""
    splits: list[SplitCounts] = []
    rows: list[ClassCounts] = []
    for split in SPLITS:
        coco = json.loads(layout.coco_path(split).read_text(encoding="utf-8"))
        real = [a for a in coco["annotations"] if not a["iscrowd"]]
        image = np.array([a["image_id"] for a in real], dtype=np.int64)
        label = np.array([a["category_id"] for a in real], dtype=np.int64) - CATEGORY_OFFSET
        has_box = len(np.unique(image))
        splits.append(SplitCounts(split, len(coco["images"]), len(coco["images"]) - has_box, len(real)))
        rows += _class_rows(split, layout.classes, image, label)
    return Distribution(tuple(splits), tuple(rows))


def _class_rows(
    split: SplitName, classes: tuple[str, ...], image: NDArray[np.int64], label: NDArray[np.int64]
) -> list[ClassCounts]:
    """`image` and `label` have one entry a box, (M,)."""
    boxes = np.bincount(label, minlength=len(classes))
    pairs = np.unique(np.stack([image, label]), axis=1)
    images = np.bincount(pairs[1], minlength=len(classes))
    total = int(boxes.sum())
    density = [total / count if count else None for count in boxes.tolist()]
    known = [value for value in density if value is not None]
    mean = sum(known) / len(known) if known else 1.0
    return [
        ClassCounts(
            split=split,
            name=name,
            boxes=int(boxes[index]),
            images=int(images[index]),
            share=int(boxes[index]) / total if total else 0.0,
            inverse_density=value,
            weight=None if value is None else value / mean,
        )
        for index, (name, value) in enumerate(zip(classes, density, strict=True))
    ]


def draw(distribution: Distribution, path: Path) -> None:
    """Draw each class's share of each split, most frequent in train first; `path`'s suffix sets the format.

    Raises ConfigError for a suffix that is not in FORMATS.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError("unknown figure format", value=path.name, hint=f"use {', '.join(FORMATS)}")
    with files.replacing(path) as target, warnings.catch_warnings():
        # A glyph that no font has is drawn as a box; the warning would only clutter the terminal.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure(distribution).savefig(target, format=path.suffix[1:].lower(), dpi=150)


def figure(distribution: Distribution) -> "Figure":
    """Each class's share of each split's boxes in percent: one row a class, one bar a split."""
    import seaborn
    from matplotlib.figure import Figure

    order = [row.name for row in sorted(distribution.of("train"), key=lambda row: -row.boxes)]
    rows = [row for row in distribution.classes if row.name in set(order)]
    drawn = Figure(figsize=(8, 1.6 + 0.36 * len(order)), layout="constrained")
    with seaborn.axes_style("whitegrid"):
        axes = drawn.subplots()
    seaborn.barplot(
        x=[100 * row.share for row in rows],
        y=[_plain(row.name) for row in rows],
        hue=[row.split for row in rows],
        order=[_plain(name) for name in order],
        hue_order=list(SPLITS),
        palette="colorblind",
        orient="h",
        ax=axes,
    )
    counts = ", ".join(f"{row.split} {row.boxes:,} boxes" for row in distribution.splits)
    axes.set(xlabel="share of the split's boxes, %", ylabel="", title=f"Classes by split ({counts})")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)  # beside the bars
    return drawn


def _plain(name: str) -> str:
    """A name with `$` escaped: matplotlib would render text between two `$` as a formula."""
    return name.replace("$", r"\$")
