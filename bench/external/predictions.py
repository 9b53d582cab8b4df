"""Detections as another tool wrote them: image and class may be ids, names or places in a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.boxes import Boxes
from bench.errors import RunError

Key = int | str
"""What a file calls an image or a class."""

BoxForm = Literal["xywh", "xyxy", "cxcywh_norm"]
"""Pixels, except for the last: shares of the image's width and height, as YOLO has them."""


@dataclass(frozen=True)
class Predictions:
    """The detections of one file or folder, in its order."""

    path: Path
    images: Sequence[Key]  # (N,)
    classes: Sequence[Key]  # (N,)
    boxes: Boxes  # (N, 4) as `form` says
    form: BoxForm
    scores: NDArray[np.float64]  # (N,)
    record: Callable[[int], str]
    """Where a detection stands in the file: 'detection 4', 'line 5' ..."""
    class_names: tuple[str, ...] = ()
    """By class index, if the tool wrote them to a file of their own."""

    def __len__(self) -> int:
        return len(self.scores)

    def error(self, place: int, complaint: str, *, value: object, hint: str) -> RunError:
        return RunError(complaint, file=self.path, record=self.record(place), value=value, hint=hint)
