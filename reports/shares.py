"""Learning curves: test AP over the number of training images, and what twice as many would bring.

From the cells that were trained on a share of the train split (`shares` of bench.yaml); no ranking has them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from bench.records import CellRecord
from bench.reports import wording
from bench.reports.axes import logarithmic, of_ap
from bench.reports.certainty import Certainty, certainty
from bench.reports.charts import Line, Point, XYChart
from bench.reports.comparison import Comparison, Contestant
from bench.reports.ranking import test_ap
from bench.statistics.learning_curve import Doubling, doubling

ALL = 100


@dataclass(frozen=True)
class Curve:
    """One model's test AP by percent of the train split, smallest first."""

    contestant: Contestant
    cells: dict[int, list[CellRecord]]
    train_images: int
    doubled: Doubling | None  # None: too few shares, or nothing is known of the test images

    @property
    def images(self) -> list[int]:
        """To within one group of images: shares take whole groups."""
        return [max(1, round(self.train_images * percent / 100)) for percent in self.cells]

    @property
    def means(self) -> list[float]:
        return [fmean(_aps(found)) for found in self.cells.values()]


@dataclass(frozen=True)
class LearningCurves:
    """What the page says of shares."""

    chart: XYChart
    sentences: list[str]
    failed: list[CellRecord]


def learning_curves(comparison: Comparison) -> LearningCurves | None:
    """None where no cell with a figure was trained on a share."""
    curves = curves_of(comparison)
    if not curves:
        return None
    failed = [
        record
        for run in comparison.runs
        for record in run.records
        if record.share is not None and record.status != "done"
    ]
    return LearningCurves(_chart(curves), [_sentence(curve) for curve in curves], failed)


def chart(comparison: Comparison) -> XYChart | None:
    """Test AP over training images, one line a model; None without shares."""
    curves = curves_of(comparison)
    return _chart(curves) if curves else None


def curves_of(comparison: Comparison) -> list[Curve]:
    """Of every model that has a test AP on a share and on all of the train split."""
    images = ((comparison.manifest.get("statistics") or {}).get("train") or {}).get("images") or 0
    cells = {c.label: (c, _by_share(c)) for c in comparison.contestants}
    cells = {label: (c, found) for label, (c, found) in cells.items() if len(found) > 1 and ALL in found}
    if not cells or not images:
        return []
    known = certainty(
        {
            f"{label} {percent}": [(c.run.folder, record) for record in records]
            for label, (c, found) in cells.items()
            for percent, records in found.items()
        }
    )
    return [
        Curve(c, found, images, _doubled(known, label, found, images)) for label, (c, found) in cells.items()
    ]


def _by_share(contestant: Contestant) -> dict[int, list[CellRecord]]:
    """Percent -> cells with a test AP, smallest share first."""
    found: dict[int, list[CellRecord]] = {}
    for record in contestant.run.records:
        if (
            record.model == contestant.ranked.model
            and record.status == "done"
            and test_ap(record) is not None
        ):
            found.setdefault(record.share or ALL, []).append(record)
    return dict(sorted(found.items()))


def _doubled(
    known: Certainty | str, label: str, cells: dict[int, list[CellRecord]], images: int
) -> Doubling | None:
    if isinstance(known, str):
        return None
    place, first = known.names.index("AP"), 0
    columns: dict[str, list[int]] = {}
    for model, amount in zip(known.models, known.seeds, strict=True):
        columns[model] = list(range(first, first + amount))
        first += amount
    mine = [column for percent in cells for column in columns[f"{label} {percent}"]]
    return doubling(
        [round(images * percent / 100) for percent in cells],
        [_aps(found) for found in cells.values()],
        known.draws[:, mine, place],
        known.units,
    )


def _chart(curves: Sequence[Curve]) -> XYChart:
    points, lines = [], []
    for curve in curves:
        tone, label, sizes = curve.contestant.tone, curve.contestant.label, curve.images
        lines.append(Line(tone, f"{label}, test", tuple(map(float, sizes)), tuple(curve.means)))
        for size, found in zip(sizes, curve.cells.values(), strict=True):
            aps = _aps(found)
            tip = f"{label}, {size:,} images: test AP {wording.share(fmean(aps))}"
            points.append(Point(tone, label, size, fmean(aps), tip, min(aps), max(aps)))
        if curve.doubled:
            gain, low, high = (curve.means[-1] + d for d in _ends(curve.doubled))
            ends = (float(sizes[-1]), 2.0 * sizes[-1])
            lines.append(Line(tone, f"{label}, extrapolated", ends, (curve.means[-1], gain), dashed=True))
            tip = f"{label}, {2 * sizes[-1]:,} images, extrapolated: test AP {wording.share(gain)}"
            points.append(Point(tone, label, ends[1], gain, tip, max(low, 0.0), min(high, 1.0)))
    values = [value for p in points for value in (p.y, p.low or 0.0, p.high or 0.0)]
    return XYChart(
        title="Test AP over training images",
        caption="Means over seeds, each with its own images, and their range. Dashed: twice the images, by a "
        "power law, with a 95 % interval. One recipe for all: epochs of fewer images have fewer steps.",
        x=logarithmic([p.x for p in points]).named("images in the train split"),
        y=of_ap(values).named("AP, test split (IoU .50:.95)"),
        points=tuple(points),
        lines=tuple(lines),
        key=tuple(curve.contestant for curve in curves),
    )


def _ends(doubled: Doubling) -> tuple[float, float, float]:
    return doubled.gain, doubled.low, doubled.high


def _sentence(curve: Curve) -> str:
    """'yolo: 1,260 instead of 630 training images would bring +0.021 AP (95 % interval +0.004 to +0.038).'"""
    label, doubled = curve.contestant.label, curve.doubled
    most = curve.images[-1]
    if doubled is None:
        sizes = wording.count(len(curve.cells), "size")
        return f"{label}: what more images would bring can't be told from {sizes} of the train split."
    gain, low, high = map(wording.signed, _ends(doubled))
    scope = "" if doubled.covers_training else "; one seed shows nothing of the chance of training"
    return (
        f"{label}: {2 * most:,} instead of {most:,} training images would bring {gain} AP "
        f"(95 % interval {low} to {high}{scope})."
    )


def _aps(records: Sequence[CellRecord]) -> list[float]:
    return [ap for record in records if (ap := test_ap(record)) is not None]
