"""What a report compares: the models of one or more runs, grouped by dataset."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from bench import earlier
from bench.config import ReportConfig
from bench.errors import BenchError, RunError
from bench.evaluation import load_ground_truth
from bench.layout import SplitName
from bench.records import CellRecord
from bench.reports.palette import Tone, tone
from bench.reports.ranking import Ranked, Spread, ranking, test_ap
from bench.reports.stored import read_json
from bench.store import RunFolder, RunInfo

if TYPE_CHECKING:
    from bench.reports.certainty import Certainty
    from bench.reports.tables import Tables

Result = TypeVar("Result")

History = list[dict[str, float]]

MOST_NAMED = 5
LONG_NAME = 16
"""Number of models, and length of a model's name in characters, that fit in a chart or over a column."""


@dataclass(frozen=True)
class Run:
    """One run, read once."""

    folder: RunFolder
    info: RunInfo
    records: tuple[CellRecord, ...]
    label: str

    @property
    def unfinished(self) -> list[str]:
        """Cells that have no record yet."""
        known = {record.cell for record in self.records}
        return [name for name in self.info.cells if name not in known]

    @property
    def config(self) -> str:
        """The resolved bench.yaml; empty where it is missing."""
        path = self.folder.config_path
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @property
    def gated(self) -> bool:
        """False where the run's config turned the gates off."""
        try:
            settings = yaml.safe_load(self.config)
        except yaml.YAMLError:
            return True
        return not isinstance(settings, dict) or settings.get("gates", True) is not False

    @property
    def repeat(self) -> str:
        """The command that repeats this run."""
        if self.info.evaluated:
            return self.info.provenance.command
        return f"bench run -c {shlex.quote(str(self.folder.config_path))}"


@dataclass(frozen=True)
class Contestant:
    """One model of one run: a row of the ranking."""

    label: str  # unique on the page
    tone: Tone
    run: Run
    ranked: Ranked

    @property
    def done(self) -> tuple[CellRecord, ...]:
        return self.ranked.done

    @property
    def shown(self) -> CellRecord | None:
        """The cell shown where there is room for one: the first seed's, not the best."""
        return min(self.done, key=lambda record: record.seed, default=None)

    def spread(self, figure: Callable[[CellRecord], float | None]) -> Spread | None:
        return self.ranked.spread(figure)

    @cached_property
    def histories(self) -> Mapping[int, History]:
        """Seed -> epochs, for every cell that left any; failed and invalid ones too."""
        found = {
            record.seed: self.run.folder.cell(record.cell).history()
            for record in (*self.ranked.done, *self.ranked.apart)
        }
        return {seed: rows for seed, rows in sorted(found.items()) if rows}


@dataclass(frozen=True)
class Comparison:
    """All that was trained on one dataset; only inside it are figures comparable."""

    number: int  # from 1
    dataset: str
    runs: tuple[Run, ...]
    contestants: tuple[Contestant, ...]  # best first

    @property
    def classes(self) -> tuple[str, ...]:
        return self.runs[0].info.classes

    @property
    def finished(self) -> list[Contestant]:
        """Those with at least one cell that is done."""
        return [contestant for contestant in self.contestants if contestant.done]

    @property
    def crowded(self) -> bool:
        """Whether names would cover each other beside points and over columns; a key replaces them."""
        return len(self.contestants) > MOST_NAMED or any(len(c.label) > LONG_NAME for c in self.contestants)

    @property
    def settings(self) -> ReportConfig:
        """How the page is made: `report` of the first run's bench.yaml, or the defaults."""
        return ReportConfig.model_validate((self.runs[0].info.config or {}).get("report") or {})

    @property
    def records(self) -> list[CellRecord]:
        return [record for contestant in self.contestants for record in contestant.done]

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Of the first run that has one; empty where none has."""
        for run in self.runs:
            if run.folder.manifest_path.is_file():
                manifest = earlier.upgrade(read_json(run.folder.manifest_path))
                return manifest if isinstance(manifest, dict) else {}
        return {}

    @cached_property
    def certainty(self) -> "Certainty | str":
        """Of all models with a test AP; where nothing is known of it, the reason."""
        from bench.reports.certainty import certainty

        known = {
            c.label: [(c.run.folder, record) for record in c.done if test_ap(record) is not None]
            for c in self.finished
            if c.ranked.ap
        }
        return certainty(known, self.settings.margin, read=self.tables) if known else "no model has a test AP"

    @cached_property
    def tables(self) -> "Tables":
        """Reads match tables; those of shown cells once."""
        from bench.reports.tables import Tables

        shown = {
            (cell.final if record.final else cell).root
            for c in self.finished
            if (record := c.shown)
            for cell in (c.run.folder.cell(record.cell),)
        }
        return Tables(shown)

    @cached_property
    def _computed(self) -> dict[Callable[..., Any], Any]:
        return {}

    def once(self, compute: Callable[["Comparison"], Result]) -> Result:
        """What `compute` makes of this comparison, computed when it is first asked for."""
        if compute not in self._computed:
            self._computed[compute] = compute(self)
        result: Result = self._computed[compute]
        return result

    def ground_truth(self, split: SplitName) -> dict[str, Any] | None:
        """COCO json of the first run that kept it."""
        for run in self.runs:
            path = run.folder.ground_truth_path(split)
            if path.is_file():
                truth: dict[str, Any] = read_json(path)
                return truth
        return None


def compare(folders: Sequence[RunFolder]) -> list[Comparison]:
    """One comparison for every dataset that the runs saw, in the order of the runs.

    Raises RunError: no run, the same run twice, or no cell finished in any of them.
    """
    runs = _read(folders)
    several = _several(runs)
    labelled = [
        (run, row, f"{row.model} · {run.label}" if row.model in several else row.model)
        for run in runs
        for row in _in_cell_order(run)
    ]
    contestants = [
        Contestant(label, tone(index), run, row) for index, (run, row, label) in enumerate(labelled)
    ]
    same = _same_truth(runs)
    by_dataset: dict[str, list[Contestant]] = {}
    for contestant in contestants:
        dataset = contestant.ranked.dataset
        by_dataset.setdefault(same.get(dataset, dataset), []).append(contestant)
    return [
        Comparison(
            number=index,
            dataset=dataset,
            runs=tuple(run for run in runs if any(c.run is run for c in found)),
            contestants=_best_first(found),
        )
        for index, (dataset, found) in enumerate(by_dataset.items(), 1)
    ]


def _same_truth(runs: Sequence[Run]) -> dict[str, str]:
    """Dataset of a run of other tools' predictions -> that of a training with the same test ground truth."""
    datasets = {run.info.dataset for run in runs}
    if len(datasets) < 2 or not any(run.info.evaluated for run in runs):
        return {}
    known = {_signature(run): run.info.dataset for run in runs if not run.info.evaluated}
    found = {run.info.dataset: known.get(_signature(run)) for run in runs if run.info.evaluated}
    return {dataset: trained for dataset, trained in found.items() if trained}


def _signature(run: Run) -> str:
    """Of the test ground truth; the run's label where it has none."""
    try:
        return load_ground_truth(run.folder.ground_truth_path("test")).signature
    except BenchError:
        return run.label


def _read(folders: Sequence[RunFolder]) -> list[Run]:
    if not folders:
        raise RunError("there is no run to report on", hint="bench run makes one")
    roots = [folder.root.resolve() for folder in folders]
    for index, root in enumerate(roots):
        if root in roots[:index]:
            raise RunError("the same run is named twice", file=folders[index].root, hint="name it once")
    names = [root.name for root in roots]
    labels = [
        name if names.count(name) == 1 else f"{root.parent.name}/{name}"
        for name, root in zip(names, roots, strict=True)
    ]
    runs = [
        Run(folder, folder.info(), tuple(folder.records()), label)
        for folder, label in zip(folders, labels, strict=True)
    ]
    if not any(run.records for run in runs):
        raise RunError(
            "no cell is finished yet, so there is nothing to report",
            file=folders[0].root,
            hint="finish it with: bench run --resume RUN",
        )
    return runs


def _in_cell_order(run: Run) -> list[Ranked]:
    """A colour belongs to a model by its place in the config, not by its success."""
    order = list(dict.fromkeys(record.model for record in run.records))
    return sorted(ranking(run.records), key=lambda row: order.index(row.model))


def _several(runs: Sequence[Run]) -> set[str]:
    """Model names that stand in more than one run."""
    names = [name for run in runs for name in {record.model for record in run.records}]
    return {name for name in names if names.count(name) > 1}


def _best_first(found: Sequence[Contestant]) -> tuple[Contestant, ...]:
    return tuple(sorted(found, key=lambda c: -c.ranked.ap.mean if c.ranked.ap else float("inf")))
