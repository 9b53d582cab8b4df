"""Figure files for people who print: SVG and PNG through seaborn, one look, from the same rows as the page.

Importing this module is cheap; seaborn, pandas and matplotlib are loaded when a figure is drawn. Figures are
drawn on canvases of their own: pyplot's state and the rc settings of the caller stay as they were.
"""

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import files
from bench.reports import plots
from bench.reports.comparison import Comparison
from bench.reports.palette import INK, MUTED, RULE
from bench.reports.search import plots as search_plots
from bench.reports.search.folder import Search
from bench.reports.search.verdict import Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 160
"""Of the PNG files: sharp at a column's width on paper."""


@dataclass(frozen=True)
class Plot:
    """A figure's file name and the function that draws it; None from it means there is nothing to show."""

    name: str
    draw: Callable[[Comparison], "Figure | None"]


PLOTS: tuple[Plot, ...] = (
    Plot("test-ap", plots.test_ap),
    Plot("ap-against-parameters", plots.ap_against_parameters),
    Plot("ap-against-latency", plots.ap_against_latency),
    Plot("ap-by-class", plots.ap_by_class),
    Plot("class-distribution", plots.class_distribution),
    Plot("val-ap", plots.val_ap),
    Plot("losses", plots.losses),
)


@dataclass(frozen=True)
class SearchPlot:
    """The same of one study of a search."""

    name: str
    draw: Callable[[Search, Final], "Figure | None"]


SEARCH_PLOTS: tuple[SearchPlot, ...] = (
    SearchPlot("history", search_plots.history),
    SearchPlot("importance", search_plots.importance),
    SearchPlot("slices", search_plots.slices),
    SearchPlot("pareto", search_plots.pareto),
    SearchPlot("against-standard", search_plots.against_standard),
    SearchPlot("classes-against-standard", search_plots.classes_against_standard),
)


def draw(comparisons: Sequence[Comparison], folder: Path) -> list[Path]:
    """Write every figure of every comparison; returns the files, SVG before PNG.

    Where runs saw different data, names begin with the number of the dataset.
    """
    written = []
    with _look():
        for comparison in comparisons:
            prefix = f"{comparison.number}-" if len(comparisons) > 1 else ""
            for plot in PLOTS:
                figure = plot.draw(comparison)
                if figure is not None:
                    written += _save(figure, folder / f"{prefix}{plot.name}")
    return written


def draw_search(search: Search, found: Sequence[Final], folder: Path) -> list[Path]:
    """Write every figure of every study, names beginning with the model's; returns the files as `draw`."""
    written = []
    with _look():
        for final in found:
            for plot in SEARCH_PLOTS:
                figure = plot.draw(search, final)
                if figure is not None:
                    written += _save(figure, folder / f"{final.study.model}-{plot.name}")
    return written


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
    """The one look, taken back afterwards. Names are never read as formulas; a missing glyph is no fault."""
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
