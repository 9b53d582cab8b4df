"""The internal form of a dataset: frozen columns, sized for 100,000 images with a million boxes.

images  N rows   names, paths, sizes_wh, splits
boxes   M rows   image (row of images), label (index into classes), xyxy, crowd, record
classes          names, in the order of their index
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data_config import DataConfig
from bench.datasets.problems import Problems
from bench.datasets.repairs import Repair
from bench.layout import SplitName
from bench.recipe import Settings

NO_SPLIT = -1
"""In `Images.splits`: the source assigns no split."""


@dataclass(frozen=True)
class Images:
    """One row per image."""

    names: NDArray[np.object_]  # (N,) str: relative, posix, unique, no `..`; used in messages and manifests
    paths: NDArray[np.object_]  # (N,) str: absolute path of the file
    sizes_wh: NDArray[np.int64]  # (N, 2) pixels of the frame that boxes refer to; (0, 0): not stated
    splits: NDArray[np.int8]  # (N,) published split, index into bench.layout.SPLITS, or NO_SPLIT

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        paths: Sequence[str],
        sizes_wh: Sequence[tuple[int, int]] | NDArray[np.int64],
        splits: Sequence[int] | NDArray[np.int8],
    ) -> "Images":
        """From Python sequences."""
        return cls(
            names=np.array(names, dtype=object),
            paths=np.array(paths, dtype=object),
            sizes_wh=np.asarray(sizes_wh, dtype=np.int64).reshape(-1, 2),
            splits=np.asarray(splits, dtype=np.int8).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: NDArray[Any]) -> "Images":
        """A subset of the rows (indices or a mask)."""
        return Images(self.names[rows], self.paths[rows], self.sizes_wh[rows], self.splits[rows])


@dataclass(frozen=True)
class BoxTable:
    """One row per box."""

    image: NDArray[np.int64]  # (M,) row in `Images`
    label: NDArray[np.int64]  # (M,) class index
    xyxy: NDArray[np.float64]  # (M, 4) absolute pixels
    crowd: NDArray[np.bool_]  # (M,) the box covers a group of objects (COCO's iscrowd); never trained on
    record: NDArray[np.int64]  # (M,) the source's number for it: annotation id, line of a txt

    @classmethod
    def of(
        cls,
        image: Sequence[int] | NDArray[np.int64],
        label: Sequence[int] | NDArray[np.int64],
        xyxy: Sequence[Sequence[float]] | NDArray[np.float64],
        crowd: Sequence[bool] | NDArray[np.bool_] | None = None,
        record: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> "BoxTable":
        """From Python sequences; by default no box is a crowd and records count from 1."""
        rows = len(image)
        return cls(
            image=np.asarray(image, dtype=np.int64).reshape(-1),
            label=np.asarray(label, dtype=np.int64).reshape(-1),
            xyxy=np.asarray(xyxy, dtype=np.float64).reshape(-1, 4),
            crowd=np.zeros(rows, np.bool_) if crowd is None else np.asarray(crowd, np.bool_).reshape(-1),
            record=np.arange(1, rows + 1) if record is None else np.asarray(record, np.int64).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: NDArray[Any]) -> "BoxTable":
        """A subset of the rows (indices or a mask); `image` still refers to the same `Images`."""
        return BoxTable(
            self.image[rows], self.label[rows], self.xyxy[rows], self.crowd[rows], self.record[rows]
        )


@dataclass(frozen=True)
class Dataset:
    """Images, their boxes and the class names."""

    classes: tuple[str, ...]
    images: Images
    boxes: BoxTable

    def with_boxes(self, boxes: BoxTable) -> "Dataset":
        return replace(self, boxes=boxes)

    def keep_images(self, keep: NDArray[np.bool_]) -> "Dataset":
        """Only the images in the mask `keep` (N,), and their boxes."""
        new_row = np.cumsum(keep) - 1
        boxes = self.boxes.take(keep[self.boxes.image])
        return Dataset(
            self.classes, self.images.take(keep), replace(boxes, image=new_row[boxes.image].astype(np.int64))
        )

    def class_counts(self) -> NDArray[np.int32]:
        """Number of boxes of each class in each image, without crowds: (N, C)."""
        counts = np.zeros((len(self.images), len(self.classes)), dtype=np.int32)
        real = ~self.boxes.crowd
        np.add.at(counts, (self.boxes.image[real], self.boxes.label[real]), 1)
        return counts


@dataclass(frozen=True)
class Source:
    """What a reader returns: the annotations as the source states them, before any image is opened."""

    dataset: Dataset
    normalized: bool = False
    """`boxes.xyxy` are normalised to 0..1 of the upright image (YOLO), not pixels."""
    known_good: bool = False
    """The images are known to be 8-bit RGB, upright, complete and of the stated sizes: none is opened."""
    record_name: str = "annotation"
    """What `boxes.record` counts, for messages: 'annotation' or 'line'."""
    declared: Mapping[SplitName, str] = field(default_factory=dict)
    """The splits that the source declares -> where it says their images are."""
    repairs: tuple[Repair, ...] = ()
    """What was changed or left out while reading."""
    problems: Problems = field(default_factory=Problems)
    """Rows that can't be used. `bench.datasets.prepare` refuses a source that has any."""
    annotation_paths: NDArray[np.object_] | None = None
    """(N,) str: the file that holds each image's boxes; None if it is the one in `metadata`."""
    missing: Dataset | None = None
    """Images that the source lists and that don't exist, with their boxes; not in `dataset`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """For the manifest: format, path, annotation files with their hashes, licence; JSON values only."""


class Reader(Protocol):
    """What reads a format, such as `read` of a module of bench.datasets.sources."""

    def __call__(self, config: DataConfig, workdir: Any) -> Source:
        """Read the dataset that `config` names.

        `workdir` is a cache folder in which a source may generate or unpack images.
        Bad rows are returned in `problems`. Raises DataError if nothing can be read at all.
        """
        ...


@dataclass(frozen=True)
class SourcePlugin:
    """A format of another distribution, named by an entry point of the group `bench.sources`."""

    read: Reader
    settings: type[Settings] = Settings
    """The model of `data.options`, which are checked with bench.yaml; `read` finds them in `config.options`.
    Default: the source has none."""
