"""How sure the figures of trained models are: resampled test splits, from predictions and match tables.

The figures of every training are computed once more on many draws of the test images, the same draws for all
models: those of bench.evaluation.WeightedFigures, and those at thresholds that val chose for a purpose
(reports/operating.py). bench.statistics turns them into intervals.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bench import statistics
from bench.errors import BenchError
from bench.evaluation import Judge, MatchTable, WeightedFigures, matches_of
from bench.image_groups import of_coco
from bench.records import CellRecord
from bench.reports.operating import chosen_thresholds, operating_figures
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
ReadTable = Callable[..., MatchTable]
"""As bench.evaluation.matches_of."""


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
    unit_of_image: NDArray[np.intp] | None = None
    """(images,) the group of each, in the order of their ids."""
    comparisons: dict[tuple[str, int], statistics.Comparison | None] = field(default_factory=dict)

    def comparison(self, figure: str = "AP", claims: int = 1) -> statistics.Comparison | None:
        """The models that have a figure; None where too little is known of it.

        Args:
            claims: comparisons of other figures or models that are to hold together with this one.
        """
        key = figure, claims
        if key not in self.comparisons:
            sample = self.sample(figure)
            level = statistics.simultaneous(statistics.NOMINAL, claims)
            self.comparisons[key] = statistics.Comparison(sample, self.margin, level) if sample else None
        return self.comparisons[key]

    def sample(self, figure: str) -> Sample | None:
        """Of the models whose trainings all have the figure; None where none has, or too few draws have."""
        if figure not in self.names:
            return None
        place = self.names.index(figure)
        models, values, columns = [], [], []
        for model, end, size in zip(self.models, np.cumsum(self.seeds), self.seeds, strict=True):
            rows = np.arange(end - size, end)
            if np.isfinite(self.values[rows, place]).all():
                models.append(model)
                values.append(self.values[rows, place].tolist())
                columns.append(rows)
        if not models:
            return None
        return Sample.of(models, values, self.draws[:, np.concatenate(columns), place], self.units)

    def has(self, figure: str, model: str) -> bool:
        """Whether every training of a model has the figure."""
        end = int(np.cumsum(self.seeds)[self.models.index(model)])
        rows = slice(end - self.seeds[self.models.index(model)], end)
        return figure in self.names and bool(np.isfinite(self.values[rows, self.names.index(figure)]).all())


def certainty(
    models: Mapping[str, Sequence[Training]],
    margin: float = MARGIN,
    *,
    sizes: bool = True,
    read: ReadTable = matches_of,
) -> Certainty | str:
    """Of the test split, of at least one training of each model; all on the same data.

    Without `sizes` figures by object size are left out, which takes two thirds of the time.

    Where it can't be known, the reason: no predictions, or predictions that are not those of the records.

    Args:
        read: reads a match table, as bench.evaluation.matches_of does.
    """
    trainings = [training for found in models.values() for training in found]
    run, first = trainings[0]
    try:
        judge = Judge.of_run(run, first.rare_classes)
        units = units_of(_groups(run, judge.ground_truth("test").image_ids.tolist()))
        detections = sum(record.ranked.detections for _, record in trainings if record.ranked)
        drawn = image_weights(units, FEW_DRAWS if detections > MANY_DETECTIONS else DRAWS)
        weights = np.concatenate([np.ones((1, len(units)), dtype=np.int64), drawn])
        figures = [_figures(folder, record, judge, weights, read, sizes) for folder, record in trainings]
    except (BenchError, OSError) as error:
        return f"its predictions can't be read ({error})"
    for (_, record), found in zip(trainings, figures, strict=True):
        stored = record.ranked.coco.AP if record.ranked else None
        if stored is None or not abs(stored - found["AP"][0]) <= SAME:
            return f"the predictions of {record.cell} are not those of its record"
    names = tuple(dict.fromkeys(name for found in figures for name in found))
    undefined = np.full(len(weights), np.nan)
    values = np.stack(
        [np.stack([found.get(name, undefined) for name in names], axis=1) for found in figures], axis=1
    )  # (1 + draws, trainings, figures)
    return Certainty(
        tuple(models),
        tuple(len(found) for found in models.values()),
        names,
        values[0],
        values[1:],
        len(units),
        int(units.max()) + 1 if len(units) else 0,
        margin,
        units,
    )


def _figures(
    folder: RunFolder,
    record: CellRecord,
    judge: Judge,
    weights: NDArray[np.int64],
    read: ReadTable,
    sizes: bool,
) -> dict[str, NDArray[np.float64]]:
    """Figure -> values (1 + draws,) of one training; figures at val's thresholds only where val was kept."""
    cell = folder.cell(record.cell)
    test = read(folder, cell.final if record.final else cell, "test", judge=judge)
    weighted = WeightedFigures(
        test, rare_classes=judge.rare_classes, score_threshold=record.score_threshold, sizes=sizes
    )
    found = dict(zip(weighted.names, weighted.batch(weights).T, strict=True))
    try:
        chosen = chosen_thresholds(read(folder, cell, "val", judge=judge))
    except (BenchError, OSError):
        return found
    return found | operating_figures(test, chosen, weights)


def _groups(run: RunFolder, image_ids: Sequence[int]) -> list[str]:
    """The group of each test image by the split's rule (`data.split.group`): images of a group, as the copies
    of one original that Roboflow makes, are not independent of each other."""
    images = read_json(run.ground_truth_path("test"))["images"]
    config = run.manifest().get("config") if run.manifest_path.is_file() else None
    rule = ((config or {}).get("split") or {}).get("group", "roboflow")
    found = dict(zip((image["id"] for image in images), of_coco(images, rule), strict=True))
    return [found[image_id] for image_id in image_ids]
