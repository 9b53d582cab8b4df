"""Write one split's boxes as YOLO txt and as COCO json."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from bench.boxes import xyxy_to_cxcywh_norm, xyxy_to_xywh
from bench.datasets.dataset import Dataset
from bench.layout import CATEGORY_OFFSET

_PIXEL_DECIMALS = 4
"""Decimals of coordinates in COCO json: 1e-4 pixels."""


class SplitFiles:
    """One split's images and boxes, in the order in which they are written."""

    def __init__(
        self,
        dataset: Dataset,
        rows: NDArray[np.intp],
        file_names: Sequence[str],
        groups: Sequence[str | None] = (),
    ) -> None:
        position = np.full(len(dataset.images), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        mine = np.flatnonzero(position[dataset.boxes.image] >= 0)
        order = np.argsort(position[dataset.boxes.image[mine]], kind="stable")
        self.boxes = dataset.boxes.take(mine[order])
        self.image = position[self.boxes.image]  # (M,) position of each box's image, ascending
        self.sizes_wh = dataset.images.sizes_wh[rows]
        self.names: list[str] = dataset.images.names[rows].tolist()
        self.file_names = file_names
        self.groups = groups or [None] * len(rows)
        self.classes = dataset.classes

    def write_labels(self, folder: Path, on_progress: Callable[[int, int], None]) -> None:
        """YOLO txt: class, then centre and size normalised to 0..1, with 8 decimals; crowds are left out."""
        folder.mkdir(parents=True)
        real = ~self.boxes.crowd
        image = self.image[real]
        normalized = xyxy_to_cxcywh_norm(self.boxes.xyxy[real], self.sizes_wh[image].astype(np.float64))
        lines = [
            f"{label} {cx:.8f} {cy:.8f} {w:.8f} {h:.8f}\n"
            for label, (cx, cy, w, h) in zip(
                self.boxes.label[real].tolist(), normalized.tolist(), strict=True
            )
        ]
        ends = np.searchsorted(image, np.arange(len(self.file_names) + 1)).tolist()
        for row, name in enumerate(self.file_names):
            target = f"{folder}/{name.rpartition('.')[0]}.txt"
            with open(target, "w", encoding="ascii") as file:  # noqa: PTH123 -- 100,000 times
                file.write("".join(lines[ends[row] : ends[row + 1]]))
            if row % 1000 == 999:
                on_progress(row + 1, len(self.file_names))

    def write_coco(self, path: Path, first_ids: tuple[int, int]) -> None:
        """COCO json, one image or box per line; `source` is the image's name in the source, `group` is shared
        by images that belong together."""
        path.parent.mkdir(parents=True, exist_ok=True)
        categories = [
            {"id": index + CATEGORY_OFFSET, "name": name, "supercategory": ""}
            for index, name in enumerate(self.classes)
        ]
        with path.open("w", encoding="utf-8") as file:
            file.write('{"info": {}, "licenses": [],\n"categories": ')
            file.write(_compact(categories))
            file.write(',\n"images": [')
            _write_rows(file, self._image_rows(first_ids[0]))
            file.write('],\n"annotations": [')
            _write_rows(file, self._annotation_rows(first_ids))
            file.write("]}\n")

    def _image_rows(self, first: int) -> Iterator[str]:
        rows = zip(self.file_names, self.names, self.sizes_wh.tolist(), self.groups, strict=True)
        for number, (file_name, source, (width, height), group) in enumerate(rows, start=first):
            tail = "" if group is None else f', "group": {_compact(group)}'
            yield (
                f'{{"id": {number}, "file_name": {_compact(file_name)}, "width": {width}, '
                f'"height": {height}, "source": {_compact(source)}{tail}}}'
            )

    def _annotation_rows(self, first_ids: tuple[int, int]) -> Iterator[str]:
        bbox_xywh = np.round(xyxy_to_xywh(self.boxes.xyxy), _PIXEL_DECIMALS)
        rows = zip(
            (self.image + first_ids[0]).tolist(),
            (self.boxes.label + CATEGORY_OFFSET).tolist(),
            bbox_xywh.tolist(),
            (bbox_xywh[:, 2] * bbox_xywh[:, 3]).tolist(),
            self.boxes.crowd.tolist(),
            strict=True,
        )
        for number, (image, category, bbox, area, crowd) in enumerate(rows, start=first_ids[1]):
            yield (
                f'{{"id": {number}, "image_id": {image}, "category_id": {category}, '
                f'"bbox": {bbox}, "area": {area:.4f}, "iscrowd": {int(crowd)}}}'
            )


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _write_rows(file: TextIO, rows: Iterable[str]) -> None:
    separator = "\n"
    for row in rows:
        file.write(separator)
        file.write(row)
        separator = ",\n"
