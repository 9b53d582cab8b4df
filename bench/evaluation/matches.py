"""The match table: which detection found which object, on one split, at every IoU threshold and object size.

A cell writes one beside each predictions file, `matches_{val,test}.npz`. Every figure, curve and interval is
computed from it, so that matching happens once. Load it with `read_matches`, or with plain numpy: it is a
compressed .npz without pickles. Format version 1 holds these arrays (I images, C classes, O objects, N
detections, H of which match anything, A = 4 area ranges, T = 11 IoU thresholds):

    version        ()          1
    classes        (C,)        names by class index
    image_ids      (I,)        COCO image ids, ascending; `image` and `object_image` are places in here
    object_image   (O,)        objects are in the order of the ground truth's annotations
    object_label   (O,)        class index
    object_area    (O,)        square pixels, the annotation's `area`
    object_crowd   (O,)        a region that stands for many objects
    object_id      (O,)        the annotation's id
    image          (N,)        detections are sorted by class, score (high to low), image id and row
    label          (N,)        class index
    score          (N,)
    area           (N,)        square pixels, width x height
    rank           (N,)        0 for the best of its class in its image; from 100 on it is not judged
    row            (N,)        its place in the predictions file
    own_iou        (N,)        largest IoU with an object of its class in its image, crowds left out; 0: none
    own_object     (N,)        that object, or -1
    other_iou      (N,)        the same for objects of all other classes
    other_object   (N,)
    hit            (H,)        detections that match an object or a crowd somewhere below, ascending
    hit_object     (H, A, T)   the object that each matches, or -1
    hit_iou        (H,)        the IoU of the match at threshold .5 over all sizes; 0: none

Area ranges are COCO's: all, small, medium, large (AREA_RANGES). IoU thresholds are .25 and COCO's ten (IOUS).
A match with a crowd, or with an object outside the area range, is ignored: it counts neither for nor against
the detection. So is a detection without a match whose own area is outside the range.
"""

import zipfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench import files
from bench.errors import RunError

VERSION = 1

COCO_IOUS = tuple(float(iou) for iou in np.linspace(0.5, 0.95, 10))
"""pycocotools' thresholds, computed as it computes them."""

IOUS = (0.25, *COCO_IOUS)
"""The thresholds of a table; .25 is for data whose boxes were drawn loosely."""

AREAS = ("all", "small", "medium", "large")

AREA_RANGES = ((0.0, 1e10), (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""COCO's, square pixels, both ends included, in the order of AREAS."""

MAX_DETECTIONS = 100
"""COCO's limit: the best so many detections of a class in an image are judged."""

NO_OBJECT = -1


@dataclass(frozen=True)
class MatchTable:
    """See this module's docstring for every column. Not to be changed in place."""

    classes: tuple[str, ...]
    image_ids: NDArray[np.int64]
    object_image: NDArray[np.int32]
    object_label: NDArray[np.int32]
    object_area: NDArray[np.float64]
    object_crowd: NDArray[np.bool_]
    object_id: NDArray[np.int64]
    image: NDArray[np.int32]
    label: NDArray[np.int32]
    score: NDArray[np.float64]
    area: NDArray[np.float64]
    rank: NDArray[np.int32]
    row: NDArray[np.int32]
    own_iou: NDArray[np.float64]
    own_object: NDArray[np.int32]
    other_iou: NDArray[np.float64]
    other_object: NDArray[np.int32]
    hit: NDArray[np.int32]
    hit_object: NDArray[np.int32]
    hit_iou: NDArray[np.float64]

    def __len__(self) -> int:
        """Detections."""
        return len(self.score)

    @property
    def images(self) -> int:
        return len(self.image_ids)

    @property
    def judged(self) -> NDArray[np.bool_]:
        """(N,) the detection is among the MAX_DETECTIONS best of its class in its image."""
        return np.asarray(self.rank < MAX_DETECTIONS)

    @property
    def support(self) -> NDArray[np.int64]:
        """(C,) objects of each class, crowds left out."""
        return np.bincount(self.object_label[~self.object_crowd], minlength=len(self.classes))

    def matched_object(self, iou: float = 0.5, area: str = "all") -> NDArray[np.int32]:
        """(N,) the object or crowd that each detection matches, -1 for none. `iou` is one of IOUS."""
        matched = np.full(len(self), NO_OBJECT, dtype=np.int32)
        matched[self.hit] = self.hit_object[:, AREAS.index(area), IOUS.index(iou)]
        return matched

    def matched_iou(self) -> NDArray[np.float64]:
        """(N,) the IoU of the match at threshold .5 over all sizes, 0.0 for none."""
        iou = np.zeros(len(self))
        iou[self.hit] = self.hit_iou
        return iou

    def outcome(self, iou: float = 0.5, area: str = "all") -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(N,) true positives and (N,) false positives; what is neither is ignored or not judged."""
        matched = self.matched_object(iou, area)
        found = matched != NO_OBJECT
        true = found.copy()
        true[found] = ~self.object_ignored()[matched[found], AREAS.index(area)]
        false = ~found & self.judged & ~is_outside(self.area)[:, AREAS.index(area)]
        return true, false

    def object_ignored(self) -> NDArray[np.bool_]:
        """(O, A) the object is a crowd or outside the area range."""
        return is_outside(self.object_area) | self.object_crowd[:, None]


def is_outside(area: NDArray[np.float64], areas: int = len(AREAS)) -> NDArray[np.bool_]:
    """Which of (N,) areas, square pixels, are outside which of the first `areas` ranges, (N, areas)."""
    low, high = np.array(AREA_RANGES[:areas]).T
    return np.asarray((area[:, None] < low) | (area[:, None] > high))


def write_matches(path: Path, table: MatchTable) -> None:
    """The table as .npz, whole or not at all."""
    columns: dict[str, Any] = {field.name: getattr(table, field.name) for field in fields(table)}
    columns["classes"] = np.array(table.classes, dtype=np.str_)
    columns["version"] = np.array(VERSION)
    # np.savez_compressed at zlib's fastest level: a third of the time for a few percent of the size.
    with (
        files.replacing(path) as fresh,
        zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name, column in columns.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(column), allow_pickle=False)


def read_matches(path: Path) -> MatchTable:
    """Read what `write_matches` wrote.

    Raises RunError for a missing or damaged file, and for one of another version.
    """
    hint = f"delete {path.name}: it is computed from the predictions when it is needed"
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            version = int(stored["version"])
            columns = (
                {field.name: stored[field.name] for field in fields(MatchTable)} if version == VERSION else {}
            )
    except FileNotFoundError:
        raise RunError("there is no such match table", file=path) from None
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"is no match table: {error}", file=path, hint=hint) from None
    if version != VERSION:
        raise RunError(f"is a match table of version {version}, not {VERSION}", file=path, hint=hint)
    classes = tuple(str(name) for name in columns.pop("classes"))
    return MatchTable(classes=classes, **columns)
