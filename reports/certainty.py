"""How sure the figures of trained models are: resampled test splits, from predictions and match tables.

The figures of every training are computed once more on many draws of the test images, the same draws for all
models (bench.evaluation.WeightedFigures); bench.statistics turns them into intervals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench import statistics
from bench.errors import BenchError
from bench.evaluation import Judge, WeightedFigures, matches_of
from bench.image_groups import of_coco
from bench.records import CellRecord
from bench.reports.stored import read_json
from bench.statistics import DRAWS, MARGIN, Sample, image_weights, units_of
from bench.store import RunFolder

MANY_DETECTIONS = 2_000_000
"""Detections of all trainings together from which FEW_DRAWS have to do."""

FEW_DRAWS = 200
"""A standard error from so many is off by 5 %."""

SAME = 1e-6
"""A figure computed from the predictions may differ from its record by so much: older records are rounded."""

Training = tuple[RunFolder, CellRecord]


@dataclass(frozen=True)
class Certainty:
    """Figures of several models on one test split, with draws of its images."""

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    """Trainings of each model."""
    names: tuple[str, ...]
    """Figures, as WeightedFigures names them."""
    values: NDArray[np.float64]
    """(trainings, figures) on the split itself, the trainings of a model together."""
    draws: NDArray[np.float64]
    """(draws, trainings, figures)"""
    images: int
    units: int
    """Groups of images that were drawn; `images` where each image is its own."""
    margin: float = MARGIN
    comparisons: dict[tuple[str, int], statistics.Comparison | None] = field(default_factory=dict)

    def comparison(self, figure: str = "AP", claims: int = 1) -> statistics.Comparison | None:
        """All models in one figure; None where too little is known of it.

        Args:
            claims: comparisons of other figures or models that are to hold together with this one.
        """
        key = figure, claims
        if key not in self.comparisons:
            sample = self.sample(figure)
            level = statistics.simultaneous(statistics.CONFIDENCE, claims)
            self.comparisons[key] = statistics.Comparison(sample, self.margin, level) if sample else None
        return self.comparisons[key]

    def sample(self, figure: str) -> Sample | None:
        """None where a training has no such figure, or too few draws have."""
        if figure not in self.names:
            return None
        place = self.names.index(figure)
        ends = np.cumsum(self.seeds)[:-1]
        values = [part.tolist() for part in np.split(self.values[:, place], ends)]
        if not np.isfinite(self.values[:, place]).all():
            return None
        return Sample.of(self.models, values, self.draws[:, :, place], self.units)


def certainty(
    models: Mapping[str, Sequence[Training]], margin: float = MARGIN, *, sizes: bool = True
) -> Certainty | str:
    """Of the test split, of at least one training of each model; all on the same data.

    Without `sizes` figures by object size are left out, which takes two thirds of the time.

    Where it can't be known, the reason: no predictions, or predictions that are not those of the records.
    """
    trainings = [training for found in models.values() for training in found]
    run = trainings[0][0]
    try:
        judge = Judge.of_run(run, trainings[0][1].rare_classes)
        tables = [
            matches_of(folder, cell.final if record.final else cell, "test", judge=judge)
            for folder, record in trainings
            for cell in (folder.cell(record.cell),)
        ]
        units = units_of(_groups(run, tables[0].image_ids.tolist()))
    except (BenchError, OSError) as error:
        return f"its predictions can't be read ({error})"
    amount = int(units.max()) + 1 if len(units) else 0
    many = sum(len(table) for table in tables) > MANY_DETECTIONS
    weights = image_weights(units, FEW_DRAWS if many else DRAWS)
    stacked = np.concatenate([np.ones((1, len(units)), dtype=np.int64), weights])
    thresholds = [record.score_threshold for _, record in trainings]
    if None in thresholds:  # all trainings need the same figures
        thresholds = [None] * len(thresholds)
    figures = [
        WeightedFigures(table, rare_classes=judge.rare_classes, score_threshold=threshold, sizes=sizes)
        for table, threshold in zip(tables, thresholds, strict=True)
    ]
    found = np.stack([of_one.batch(stacked) for of_one in figures], axis=1)  # (1 + draws, trainings, figures)
    names = figures[0].names
    for (_, record), ap in zip(trainings, found[0, :, names.index("AP")], strict=True):
        stored = record.ranked.coco.AP if record.ranked else None
        if stored is None or not abs(stored - ap) <= SAME:
            return f"the predictions of {record.cell} are not those of its record"
    return Certainty(
        tuple(models),
        tuple(len(found) for found in models.values()),
        names,
        found[0],
        found[1:],
        len(units),
        amount,
        margin,
    )


def _groups(run: RunFolder, image_ids: Sequence[int]) -> list[str]:
    """The group of each test image by the split's rule (`data.split.group`): images of a group, as the copies
    of one original that Roboflow makes, are not independent of each other."""
    images = read_json(run.ground_truth_path("test"))["images"]
    config = run.manifest().get("config") if run.manifest_path.is_file() else None
    rule = ((config or {}).get("split") or {}).get("group", "roboflow")
    found = dict(zip((image["id"] for image in images), of_coco(images, rule), strict=True))
    return [found[image_id] for image_id in image_ids]
