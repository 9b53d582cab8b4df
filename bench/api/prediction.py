"""`bench.predict`: a trained model on any images."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.api import frames
from bench.api.progress import watch
from bench.predicting import PredictionSummary, find_images, open_cell
from bench.predicting import predict as draw_and_write

if TYPE_CHECKING:
    from pandas import DataFrame

PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Predictions:
    """What a model detected in some images."""

    outcome: PredictionSummary

    @property
    def path(self) -> Path:
        """The folder with the drawn images, detections.json and detections.csv."""
        return self.outcome.folder

    @property
    def score_threshold(self) -> float:
        """Detections with a lower score are left out."""
        return self.outcome.score_threshold

    @property
    def unreadable(self) -> dict[Path, str]:
        """Images that could not be read, and why."""
        return dict(self.outcome.unreadable)

    @property
    def detections(self) -> "DataFrame":
        """One row for each detection, in pixels of the upright image."""
        rows = [
            (row["file_name"], row["category_name"], row["score"], *row["bbox_xyxy"])
            for row in json.loads((self.path / "detections.json").read_text(encoding="utf-8"))
        ]
        return frames.frame(rows, ("file_name", "class", "score", "x1", "y1", "x2", "y2"))

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_html_(self) -> str:
        return str(self.detections.to_html(index=False))


def predict(
    cell: PathLike,
    images: PathLike | Iterable[PathLike],
    *,
    output: PathLike | None = None,
    score: float | None = None,
    progress: bool | None = None,
) -> Predictions:
    """Detect objects in `images` with a trained model; write copies with the boxes drawn, and the detections.

    Args:
        cell: RUN/CELL, as in 'runs/shelf-20260101-120000/detr-seed0'.
        images: files, folders, or patterns such as 'photos/*.jpg'.
        output: a folder. Default: predicted/CELL in the current folder.
        score: the lowest score to keep. Default: the threshold that was chosen on val.
        progress: as for `bench.run`.

    Raises:
        RunError: no such cell, or it has no checkpoint or threshold.
        DataError: an entry of `images` leads to no image.
        WeightsError: the checkpoint can't be read.
    """
    folder = open_cell(Path(cell))
    target = Path(output) if output is not None else Path("predicted") / folder.name
    asked = [images] if isinstance(images, (str, os.PathLike)) else images
    found = find_images([os.fspath(one) for one in asked], exclude=target)
    with watch(progress) as view:
        return Predictions(draw_and_write(folder, found, target, score=score, progress=view.images))
