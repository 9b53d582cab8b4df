"""The one internal form of a dataset: frozen columns, made for 100,000 pictures with a million boxes.

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
from bench.datasets.findings import Finding
from bench.layout import SplitName

NO_SPLIT = -1
"""In `Images.splits`: the source does not say."""


@dataclass(frozen=True)
class Images:
    """One row a picture."""

    names: NDArray[np.object_]  # (N,) str: relative, posix, unique, no `..`; what messages and manifests say
    paths: NDArray[np.object_]  # (N,) str: absolute, where the picture lies
    sizes_wh: NDArray[np.int64]  # (N, 2) pixels of the frame that boxes are in; 0, 0: as the file says
    splits: NDArray[np.int8]  # (N,) published split, index into bench.layout.SPLITS, or NO_SPLIT

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        paths: Sequence[str],
        sizes_wh: Sequence[tuple[int, int]] | NDArray[np.int64],
        splits: Sequence[int] | NDArray[np.int8],
    ) -> "Images":
        """From rows gathered one by one."""
        return cls(
            names=np.array(names, dtype=object),
            paths=np.array(paths, dtype=object),
            sizes_wh=np.asarray(sizes_wh, dtype=np.int64).reshape(-1, 2),
            splits=np.asarray(splits, dtype=np.int8).reshape(-1),
        )

    def __len__(self) -> int:
        return len(self.names)

    def take(self, rows: NDArray[Any]) -> "Images":
        """The chosen rows (indices or a mask)."""
        return Images(self.names[rows], self.paths[rows], self.sizes_wh[rows], self.splits[rows])


@dataclass(frozen=True)
class BoxTable:
    """One row a box."""

    image: NDArray[np.int64]  # (M,) row of its picture
    label: NDArray[np.int64]  # (M,) class index
    xyxy: NDArray[np.float64]  # (M, 4) absolute pixels
    crowd: NDArray[np.bool_]  # (M,) stands for many objects; never trained on
    record: NDArray[np.int64]  # (M,) the source's own number of it: annotation id, line of a txt

    @classmethod
    def of(
        cls,
        image: Sequence[int] | NDArray[np.int64],
        label: Sequence[int] | NDArray[np.int64],
        xyxy: Sequence[Sequence[float]] | NDArray[np.float64],
        crowd: Sequence[bool] | NDArray[np.bool_] | None = None,
        record: Sequence[int] | NDArray[np.int64] | None = None,
    ) -> "BoxTable":
        """From rows gathered one by one; none is a crowd and records are counted from 1 unless said."""
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
        """The chosen rows (indices or a mask); `image` keeps its meaning."""
        return BoxTable(
            self.image[rows], self.label[rows], self.xyxy[rows], self.crowd[rows], self.record[rows]
        )


@dataclass(frozen=True)
class Dataset:
    """Pictures, their boxes and the class names."""

    classes: tuple[str, ...]
    images: Images
    boxes: BoxTable

    def with_boxes(self, boxes: BoxTable) -> "Dataset":
        return replace(self, boxes=boxes)

    def keep_images(self, keep: NDArray[np.bool_]) -> "Dataset":
        """Without the pictures outside the mask `keep` (N,), and without their boxes."""
        new_row = np.cumsum(keep) - 1
        boxes = self.boxes.take(keep[self.boxes.image])
        return Dataset(
            self.classes, self.images.take(keep), replace(boxes, image=new_row[boxes.image].astype(np.int64))
        )

    def class_counts(self) -> NDArray[np.int32]:
        """Boxes of every class in every picture, crowds left out: (N, C)."""
        counts = np.zeros((len(self.images), len(self.classes)), dtype=np.int32)
        real = ~self.boxes.crowd
        np.add.at(counts, (self.boxes.image[real], self.boxes.label[real]), 1)
        return counts


@dataclass(frozen=True)
class Source:
    """What a reader hands over: the data as the source tells it, before any picture is opened."""

    dataset: Dataset
    shares: bool = False
    """`boxes.xyxy` are shares of the upright picture (YOLO), not pixels."""
    known_good: bool = False
    """The pictures are ours: 8-bit RGB, upright, whole, of the stated sizes; none needs to be opened."""
    record_word: str = "annotation"
    """What `boxes.record` counts, for messages: 'annotation', 'line'."""
    named: Mapping[SplitName, str] = field(default_factory=dict)
    """The splits that the source speaks of, and where it says their pictures are."""
    findings: tuple[Finding, ...] = ()
    """What had to be mended or left out while reading."""
    account: Mapping[str, Any] = field(default_factory=dict)
    """For the manifest: format, path, annotation files with their hashes, licence; JSON values only."""


class Reader(Protocol):
    """A module of bench.datasets.sources: its `read`."""

    def __call__(self, config: DataConfig, workroom: Any) -> Source:
        """Read the dataset that `config` names.

        `workroom` is a folder of the cache in which a source may draw or unpack pictures.
        Raises DataError: all bad rows together.
        """
        ...
