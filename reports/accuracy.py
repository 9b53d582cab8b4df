"""Charts of the test AP: every seed, and AP against what a model costs."""

from collections.abc import Callable, Sequence

from bench.records import CellRecord
from bench.reports import wording
from bench.reports.axes import fitting, of_ap
from bench.reports.charts import ChartRow, Dot, Point, RowChart, XYChart
from bench.reports.comparison import Comparison, Contestant
from bench.reports.ranking import test_ap
from bench.statistics import estimate


def seeds(comparison: Comparison) -> RowChart | None:
    """Test AP of every seed, one row a model; None where no model has one."""
    ranked = [contestant for contestant in comparison.contestants if contestant.ranked.ap]
    if not ranked:
        return None
    bands = _bands(comparison)
    values = [value for c in ranked if c.ranked.ap for value in c.ranked.ap.values]
    axis = of_ap([*values, *(end for band in bands.values() for end in band)])
    return RowChart(
        title="Test AP, and how far it can be trusted",
        caption="One point per training, bar: mean. "
        + (_about_bands(ranked) if bands else "No intervals: see above."),
        x=axis.named("AP, test split (IoU .50:.95)"),
        rows=tuple(_seed_row(contestant, bands.get(contestant.label)) for contestant in ranked),
    )


def _bands(comparison: Comparison) -> dict[str, tuple[float, float]]:
    """Model -> the 95 % interval of its mean, cut at 0 and 1; empty where nothing is known of chance."""
    known = comparison.certainty
    sample = None if isinstance(known, str) else known.sample("AP")
    if sample is None:
        return {}
    found = {name: estimate(sample, place) for place, name in enumerate(sample.models)}
    return {name: (max(0.0, one.low), min(1.0, one.high)) for name, one in found.items()}


def _about_bands(ranked: Sequence[Contestant]) -> str:
    several = all(c.ranked.ap and c.ranked.ap.sd is not None for c in ranked)
    covers = "seeds and test images together" if several else "test images alone where there is one seed"
    return (
        f"Band: 95 % interval, {covers}. Bands of two models may overlap although one is surely ahead: "
        "the difference is known better than either."
    )


def _seed_row(contestant: Contestant, band: tuple[float, float] | None) -> ChartRow:
    ap = contestant.ranked.ap
    mean = ap.mean if ap else 0.0
    return ChartRow(
        name=contestant.label,
        tone=contestant.tone,
        dots=tuple(
            Dot(
                contestant.tone,
                contestant.label,
                value,
                f"{contestant.label}, seed {record.seed}: test AP {wording.share(value)}",
            )
            for record in contestant.done
            if (value := test_ap(record)) is not None
        ),
        mean=mean if ap and ap.sd is not None else None,
        band=band,
        note=wording.share(mean),
    )


def against_parameters(comparison: Comparison) -> XYChart | None:
    """Mean test AP over the number of parameters."""
    return _against(
        comparison,
        "AP against size",
        "parameters",
        lambda record: record.description.parameters if record.description else None,
        wording.millions,
    )


def against_latency(comparison: Comparison) -> XYChart | None:
    """Mean test AP over the median latency."""
    return _against(
        comparison,
        "AP against latency",
        "latency, ms per image (median, batch of 1)",
        lambda record: record.efficiency.latency_ms if record.efficiency else None,
        lambda value: f"{wording.number(value)} ms",
    )


def by_cost(comparison: Comparison) -> list[XYChart]:
    return [chart for make in (against_parameters, against_latency) if (chart := make(comparison))]


def _against(
    comparison: Comparison,
    title: str,
    x_label: str,
    figure: Callable[[CellRecord], float | None],
    write: Callable[[float | None], str],
) -> XYChart | None:
    points = [
        (contestant, x, y)
        for contestant in comparison.contestants
        if (x := contestant.spread(figure)) and (y := contestant.spread(test_ap)) and x.mean > 0
    ]
    if not points:
        return None
    x_axis = fitting(x.mean for _, x, _ in points)
    several = any(len(y.values) > 1 for _, _, y in points)
    return XYChart(
        title=title,
        caption="Test split. Up and to the left is better."
        + (" Point: mean over seeds; bar: lowest to highest seed." if several else ""),
        x=x_axis.named(x_label + (", logarithmic" if x_axis.log else ""), _tick),
        y=of_ap(value for _, _, y in points for value in y.values).named("test AP"),
        points=tuple(
            Point(
                tone=contestant.tone,
                label=contestant.label,
                x=x.mean,
                y=y.mean,
                tip=f"{contestant.label}: test AP {wording.share(y.mean)}, {write(x.mean)}",
                low=min(y.values) if y.sd else None,
                high=max(y.values) if y.sd else None,
            )
            for contestant, x, y in points
        ),
        key=tuple(contestant for contestant, _, _ in points),
        labelled=not comparison.crowded,
    )


def _tick(value: float) -> str:
    """'20 M' rather than '20,000,000'."""
    if value >= 1e6:
        return f"{wording.short(value / 1e6)} M"
    return f"{wording.short(value / 1e3)} k" if value >= 1e3 else wording.short(value)
