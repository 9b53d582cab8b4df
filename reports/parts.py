"""AP on parts of the test split: object sizes, class frequency, crowding, brightness, each with intervals.

Sizes and frequencies come from the draws of the whole split (reports/certainty.py); properties of images from
bench.analysis.slices. Intervals of many parts do not hold together: of twenty, one misses.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis import Judged, Slice, crowding, object_counts, read_image_properties, slices
from bench.errors import BenchError
from bench.evaluation import Judge
from bench.reports.axes import of_ap
from bench.reports.certainty import MANY_DETECTIONS, Certainty
from bench.reports.charts import ChartRow, Dot, RowChart
from bench.reports.comparison import Comparison, Contestant
from bench.reports.failures.errors import split_errors
from bench.reports.wording import share, short
from bench.statistics import Estimate, Sample, estimate

SIZES = {"small": "below 32² px", "medium": "32² to 96² px", "large": "over 96² px"}
PROPERTIES = {
    "objects": "Objects in an image",
    "crowding": "Overlap of objects",
    "brightness": "Brightness",
    "sharpness": "Sharpness",
}
THIRDS = ("rarest third", "middle third", "most frequent third")
LEAST_CLASSES = 6
"""From which on classes are grouped by frequency."""

QUICK_DRAWS, DRAWS = 40, 200
"""Of images for slices: on large runs a standard error that is off by 11 % has to do."""


@dataclass(frozen=True)
class Part:
    """One part, and each model on it, in the order of the contestants."""

    name: str
    objects: int
    estimates: tuple[Estimate | None, ...]


@dataclass(frozen=True)
class Parts:
    """Parts of one kind: a table, and its chart."""

    title: str
    contestants: tuple[Contestant, ...]
    rows: tuple[Part, ...]
    trainings: str  # which trainings the figures are of

    @property
    def chart(self) -> RowChart:
        values = [
            value for part in self.rows for one in part.estimates if one for value in (one.value, one.high)
        ]
        return RowChart(
            title=self.title,
            caption=f"AP on test by part, with 95 % intervals; {self.trainings}. In brackets: boxes.",
            x=of_ap(min(1.0, value) for value in values).named("AP, test split (IoU .50:.95)"),
            rows=tuple(ChartRow(f"{part.name} ({part.objects:,})", self._dots(part)) for part in self.rows),
            key=self.contestants,
        )

    def _dots(self, part: Part) -> tuple[Dot, ...]:
        return tuple(
            Dot(
                who.tone,
                who.label,
                one.value,
                f"{part.name}, {who.label}: AP {interval(one)}",
                low=max(0.0, one.low),
                high=min(1.0, one.high),
            )
            for who, one in zip(self.contestants, part.estimates, strict=True)
            if one
        )


def interval(one: Estimate | None) -> str:
    """'0.412 (0.380 to 0.444)', cut at 0 and 1."""
    if one is None:
        return share(None)
    return f"{share(one.value)} ({interval_range(one)})"


def interval_range(one: Estimate) -> str:
    """'0.380 to 0.444', cut at 0 and 1."""
    return f"{share(max(0.0, one.low))} to {share(min(1.0, one.high))}"


def estimates(sample: Sample | None, who: Sequence[Contestant]) -> tuple[Estimate | None, ...]:
    """Of each contestant; None where it has no figure."""
    if sample is None:
        return (None,) * len(who)
    return tuple(
        estimate(sample, sample.models.index(c.label)) if c.label in sample.models else None for c in who
    )


def parts(comparison: Comparison) -> list[Parts]:
    """Kinds of parts with at least two parts; none where nothing is known of chance."""
    known, errors = comparison.certainty, split_errors(comparison)
    if isinstance(known, str) or errors is None:
        return []
    who = tuple(c for c in comparison.contestants if c.label in known.models)
    several = "means over seeds" if max(known.seeds) > 1 else "one seed each"
    area = errors.table.object_area[~errors.table.object_crowd]
    counts = {"small": (area <= 32**2).sum(), "large": (area > 96**2).sum()}
    counts["medium"] = len(area) - counts["small"] - counts["large"]
    by_size = [
        Part(f"{name}, {range_text}", int(counts[name]), estimates(known.sample(f"AP_{name}"), who))
        for name, range_text in SIZES.items()
        if counts[name]
    ]
    found = [Parts("Object size", who, tuple(by_size), several)]
    found.append(Parts("Class frequency", who, tuple(_by_frequency(comparison, known, who)), several))
    found += _by_property(comparison, known, who)
    return [one for one in found if len(one.rows) > 1 and any(any(part.estimates) for part in one.rows)]


def _by_frequency(comparison: Comparison, known: Certainty, who: Sequence[Contestant]) -> Iterator[Part]:
    """Thirds of the classes by their boxes in train (in test, where the run kept no manifest)."""
    test = comparison.records[0].ranked
    if test is None:
        return
    classes = [one for one in test.classes if one.ground_truths]
    if len(classes) < LEAST_CLASSES:
        return
    train = comparison.manifest.get("statistics", {}).get("train", {}).get("classes", {})
    order = sorted(range(len(classes)), key=lambda k: train.get(classes[k].name, classes[k].ground_truths))
    for name, places_of in zip(THIRDS, np.array_split(order, 3), strict=True):
        group = [classes[place] for place in places_of.tolist()]
        places = [known.names.index(f"AP/{one.name}") for one in group]
        with np.errstate(invalid="ignore"):
            values = known.values[:, places].mean(axis=1)
            draws = np.nanmean(known.draws[:, :, places], axis=2)
        ends = np.cumsum(known.seeds)[:-1]
        sample = Sample.of(known.models, [v.tolist() for v in np.split(values, ends)], draws, known.units)
        objects = sum(one.ground_truths for one in group)
        yield Part(f"{name}, {len(group)} classes", objects, estimates(sample, who))


def _by_property(comparison: Comparison, known: Certainty, who: Sequence[Contestant]) -> Iterator[Parts]:
    """Thirds of the images; on large runs of each model's shown cell alone."""
    run = comparison.runs[0].folder
    judge = Judge.of_run(run)
    truth = judge.ground_truth("test")
    properties = {"objects": object_counts(truth), "crowding": crowding(truth)}
    with contextlib.suppress(BenchError):  # a damaged file: the page goes without
        properties |= read_image_properties(run.image_properties_path, truth.image_ids)
    detections = sum(r.ranked.detections for c in who for r in c.done if r.ranked)
    large = detections > MANY_DETECTIONS
    models: Mapping[str, Sequence[Judged]] = {c.label: _judged(comparison, c, large) for c in who}
    if known.unit_of_image is None or not all(models.values()):
        return
    trainings = "the first seed of each model" if large or max(known.seeds) == 1 else "means over seeds"
    draws = QUICK_DRAWS if large else DRAWS
    for key, title in PROPERTIES.items():
        if key not in properties:
            continue
        found = list(slices(models, known.unit_of_image, {key: properties[key]}, draws=draws))
        rows = [Part(_range(one), one.objects, estimates(one.samples.get("AP"), who)) for one in found]
        yield Parts(title, tuple(who), tuple(rows), trainings)


def _range(one: Slice) -> str:
    low, high = (short(value) for value in (one.low, one.high))
    return low if low == high else f"{low} to {high}"


def _judged(comparison: Comparison, contestant: Contestant, first: bool) -> list[Judged]:
    found = []
    for record in [contestant.shown] if first else contestant.done:
        if record is None or record.score_threshold is None:
            continue
        folder = contestant.run.folder
        cell = folder.cell(record.cell)
        table = comparison.tables(folder, cell.final if record.final else cell, "test")
        found.append(Judged(table, record.score_threshold))
    return found
