"""The page's charts as files for print: SVG and PNG, drawn with seaborn in one style.

Importing this module is cheap; seaborn, pandas and matplotlib are loaded when a figure is drawn. matplotlib's
rc settings are restored afterwards.
"""

import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench import files
from bench.reports import accuracy, classes, curves, drawing, shares
from bench.reports.charts import AnyChart, Grid
from bench.reports.comparison import Comparison
from bench.reports.failures import summary
from bench.reports.palette import INK, MUTED, RULE
from bench.reports.search import charts as search_charts
from bench.reports.search.folder import Search
from bench.reports.search.verdict import Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160
"""Of the PNG files: sharp at a column's width on paper."""


MakeChart = Callable[[Comparison], AnyChart | Grid | None]
MakeSearchChart = Callable[[Search, Final], AnyChart | Grid | None]

FIGURES: dict[str, MakeChart] = {
    "test-ap": accuracy.seeds,
    "ap-against-parameters": accuracy.against_parameters,
    "ap-against-latency": accuracy.against_latency,
    "ap-by-class": classes.ap_by_class,
    "class-distribution": classes.class_distribution,
    "errors": summary.chart,
    "val-ap": curves.learning,
    "losses": curves.loss_grid,
    "ap-against-images": shares.chart,
}
"""File name -> the chart in it; None where there is nothing to show."""

SEARCH_FIGURES: dict[str, MakeSearchChart] = {
    "history": search_charts.history,
    "importance": search_charts.importance,
    "slices": search_charts.slice_grid,
    "pareto": search_charts.pareto,
    "against-standard": search_charts.against_grid,
    "classes-against-standard": search_charts.class_differences,
}
"""The same for one study of a search; file names begin with the model's."""


def draw(comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write every figure of every comparison; returns the files, SVG before PNG.

    Where runs saw different data, names begin with the number of the dataset.
    """
    charts = {
        f"{comparison.number}-{name}" if len(comparisons) > 1 else name: make(comparison)
        for comparison in comparisons
        for name, make in FIGURES.items()
    }
    return _write(charts, folder)


def draw_search(search: Search, found: Sequence[Final], folder: Path) -> list[Path]:
    """Write every figure of every study; returns the files as `draw`."""
    charts = {
        f"{final.study.model}-{name}": make(search, final)
        for final in found
        for name, make in SEARCH_FIGURES.items()
    }
    return _write(charts, folder)


def _write(charts: Mapping[str, AnyChart | Grid | None], folder: Path) -> list[Path]:
    with _look():
        return [
            path
            for name, chart in charts.items()
            if chart is not None
            for path in _save(drawing.figure(chart), folder / name)
        ]


def _save(figure: "Figure", stem: Path) -> list[Path]:
    """SVG without a date, so that the same run gives the same file, and PNG."""
    paths = [stem.with_name(f"{stem.name}.svg"), stem.with_name(f"{stem.name}.png")]
    for path in paths:
        content = io.BytesIO()
        kind = path.suffix[1:]
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(content, format=kind, dpi=DPI, metadata=metadata, bbox_inches="tight", pad_inches=0.15)
        files.write_bytes(path, content.getvalue())
    return paths


@contextmanager
def _look() -> Iterator[None]:
    """One style, restored afterwards. Names are never read as formulas; a missing glyph is no warning."""
    import matplotlib
    import seaborn

    style = {
        **seaborn.axes_style("ticks"),
        **seaborn.plotting_context("notebook", font_scale=0.85),
        "text.parse_math": False,
        "svg.hashsalt": "bench",
        "font.family": ["DejaVu Sans"],
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.titlecolor": INK,
        "axes.titlesize": 9.0,
        "axes.linewidth": 0.8,
        "grid.linewidth": 0.6,
        "xtick.major.width": 0.8,
        "ytick.major.width": 0.8,
        "xtick.minor.width": 0.5,
        "xtick.major.size": 3.5,
        "ytick.major.size": 3.5,
        "xtick.minor.size": 2.0,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": False,
        "grid.color": RULE,
        "text.color": INK,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "legend.frameon": False,
        "figure.facecolor": "white",
        "axes.facecolor": "white",
    }
    with matplotlib.rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield
