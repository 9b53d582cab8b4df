"""A layout as ultralytics' own dataset.

Boxes come from the layout's COCO json, which the judge reads too. ultralytics' scanner of txt files would
write a `labels.cache` beside the labels and overwrite JPEGs that it finds damaged; layouts are shared between
runs, may be read-only, and have been checked.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from ultralytics.data.dataset import YOLODataset
from ultralytics.data.utils import check_file_speeds

from bench.boxes import xyxy_to_cxcywh_norm
from bench.layout import Example


class LayoutDataset(YOLODataset):  # type: ignore[misc]  # ultralytics has no types
    """ultralytics' dataset with all its augmentation, over examples that are in memory."""

    def __init__(self, examples: Sequence[Example], *, rank: int = 0, **settings: Any) -> None:
        """`rank`: each of several processes that train together augments with its own random numbers."""
        self._rank = rank
        # In ultralytics' order, by path: the same seed then draws the same batches as its own dataset.
        self.examples = sorted(examples, key=lambda example: str(example.path))
        super().__init__(img_path="", task="detect", **settings)

    def get_img_files(self, img_path: str) -> list[str]:
        files = [str(example.path) for example in self.examples]
        check_file_speeds(files, prefix=self.prefix)  # draws from Python's generator: so must we
        return files

    def get_labels(self) -> list[dict[str, Any]]:
        return [_label(example) for example in self.examples]

    def __getitem__(self, index: int) -> Any:
        if self._rank:  # once in each process that loads
            seed = random.getrandbits(31) + self._rank
            random.seed(seed)
            np.random.seed(seed)
            self.keep_random_state()
        return super().__getitem__(index)

    def keep_random_state(self) -> None:
        """The random numbers of this process are its own already."""
        self._rank = 0

    def refill(self, indices: Sequence[int]) -> None:
        """Load images into the buffer that mosaic takes from, as it was in an earlier process."""
        for index in indices:
            self.load_image(index)


class SharedBatches:
    """Batches of indices, each with the rows of one rank only.

    In a last batch with fewer images than ranks, a rank without a row loads one that does not count.
    """

    def __init__(self, batches: Any, rows: Callable[[int], range]) -> None:
        self._batches = batches
        self._rows = rows

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self._batches:
            yield [batch[row] for row in self._rows(len(batch))] or batch[:1]

    def __len__(self) -> int:
        return len(self._batches)


def _label(example: Example) -> dict[str, Any]:
    """One image's entry of YOLODataset.get_labels; crowds, boxes around many objects, are left out."""
    kept = ~example.crowd
    width, height = example.size_wh
    boxes = xyxy_to_cxcywh_norm(example.boxes_xyxy[kept], np.array(example.size_wh, dtype=np.float64))
    return {
        "im_file": str(example.path),
        "shape": (height, width),
        "cls": example.labels[kept].reshape(-1, 1).astype(np.float32),  # (N, 1)
        "bboxes": boxes.astype(np.float32),  # (N, 4)
        "segments": [],
        "keypoints": None,
        "normalized": True,
        "bbox_format": "xywh",
    }
