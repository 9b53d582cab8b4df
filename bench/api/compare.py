"""`bench.compare`: all differences between the models of one or more runs, with intervals."""

import html
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.api import frames
from bench.reports.differences import Compared, differences
from bench.statistics import Difference
from bench.store import RunFolder

if TYPE_CHECKING:
    from pandas import DataFrame

Folder = str | os.PathLike[str]

MODEL_COLUMNS = ("dataset", "model", "mean", "seeds", "rank_low", "rank_high", "probability_best")
PAIR_COLUMNS = (
    "dataset",
    "model",
    "minus",
    "difference",
    "low",
    "high",
    "ahead",
    "behind",
    "equivalent",
    "covers_training",
)


@dataclass(frozen=True)
class Comparison:
    """One figure of all models, with intervals that hold at once; figures of different data stay apart."""

    figure: str
    parts: tuple[Compared, ...]
    """One for each dataset."""

    @property
    def verdict(self) -> list[str]:
        """What the report says above its ranking, in sentences."""
        return [line for part in self.parts for line in part.verdict.lines]

    @property
    def models(self) -> "DataFrame":
        """One row for each model, best first: mean, interval of its rank, probability of being the best."""
        rows = []
        for part in self.as_json():
            for one in part["models"]:
                low, high = one["rank"]
                rows.append({**one, "dataset": part["dataset"], "rank_low": low, "rank_high": high})
        return frames.frame(rows, MODEL_COLUMNS)

    @property
    def differences(self) -> "DataFrame":
        """One row for each pair: `model` minus `minus`, with its interval and what follows from it."""
        parts = self.as_json()
        rows = [{"dataset": part["dataset"], **pair} for part in parts for pair in part["differences"]]
        return frames.frame(rows, PAIR_COLUMNS)

    def worse_than(self, model: str, by: float = 0.0) -> list[Difference]:
        """Models that are worse than `model` by more than `by`, as far as intervals show it, minus `model`.

        Raises RunError where there is no such model, or nothing is known of chance.
        """
        return [found for part in self.parts for found in part.worse_than(model, by)]

    def as_json(self) -> list[dict[str, Any]]:
        """Plain values, one object for each dataset."""
        return [part.as_json() for part in self.parts]

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(line)}</p>" for line in self.verdict)
        return f"{said}{self.models.to_html(index=False)}{self.differences.to_html(index=False)}"


def compare(runs: Folder | Sequence[Folder], figure: str = "AP") -> Comparison:
    """All pairs of models in one figure on test, with intervals over test images and seeds.

    Args:
        runs: a run or several: folders, or what `bench.run`, `bench.evaluate` and `bench.open` return.
        figure: AP, AP50, AP75, AP_rare, AP_small, precision, recall, f1, AP/CLASS ...

    Raises:
        RunError: a folder is no run, no cell of it is finished, or there is no such figure.
    """
    roots = [runs] if isinstance(runs, (str, os.PathLike)) else runs
    folders = [RunFolder.open(Path(root)) for root in roots]
    return Comparison(figure, tuple(differences(folders, figure)))
