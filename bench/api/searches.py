"""`bench.search` and `bench.open_search`: a search, and its tables."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import reports
from bench.adapters.weights.download import download_progress
from bench.api import call, frames
from bench.api.report import Report, report
from bench.api.runs import Run
from bench.api.screens import open_screen
from bench.api.search_progress import SearchView
from bench.config import Overrides, Source, read_config
from bench.jobs import Jobs
from bench.search_records import SearchRecord
from bench.searching import search as searching
from bench.searching.folder import SearchFolder
from bench.searching.storage import without_password
from bench.store import RunFolder

if TYPE_CHECKING:
    from pandas import DataFrame


def search(
    config: Source = None,
    *,
    models: str | Iterable[str] = (),
    trials: int | None = None,
    seeds: int | Iterable[int] = (),
    jobs: Jobs | None = None,
    storage: str | None = None,
    final: bool = True,
    overrides: Overrides = (),
    progress: bool | None = None,
    command: str | None = None,
) -> "Search":
    """Search for each model's best settings on val, and compare them with the standard ones on test.

    Args:
        config, models, overrides, progress, command: as for `bench.run`.
        trials: for each model, in place of the config's `search.trials`.
        seeds: of the final trainings, in place of the config's `search.seeds`.
        jobs: trials that go on at the same time, in place of the config's.
        storage: Optuna's URL, for a search on several machines: postgresql://USER@HOST/DATABASE.
        final: whether to train best and standard again, and to judge them on test.

    Raises:
        BenchError: as for `bench.run`; or a setting of the search space can't be used.
        RunError: no trial has a value, or the storage can't be reached.
    """
    names, numbers = call.names(models), call.integers(seeds)
    safe = None if storage is None else without_password(storage)
    command = command or call.as_text(
        "search", config, models=names, trials=trials, seeds=numbers, storage=safe, overrides=overrides
    )
    options = searching.SearchOptions(command=command, storage=storage, final=final)
    more = call.merged(overrides, search__trials=trials, search__seeds=numbers or None, jobs=jobs)
    settings = read_config(config, overrides=more, models=names)
    with _watch(progress) as view:
        return Search(searching.start(settings, view, options).folder)


def open_search(path: str | os.PathLike[str]) -> "Search":
    """The search in the folder `path`. Raises RunError where there is none."""
    return Search(SearchFolder.open(Path(path)))


class Search:
    """A search on disk. Its tables are read when they are asked for."""

    def __init__(self, folder: SearchFolder) -> None:
        self.folder = folder

    @property
    def path(self) -> Path:
        return self.folder.root

    @property
    def record(self) -> SearchRecord:
        """All that is known of the search."""
        return reports.read_search(self.path).record

    @property
    def trials(self) -> "DataFrame":
        """One row for each trial: model, number, state, the objectives on val, the settings tried."""
        record = self.record
        rows = [
            {
                "model": study.model,
                **trial.model_dump(include={"number", "state"}),
                **(trial.values or {}),
                **trial.setting,
                **trial.model_dump(include={"reason", "batch_size", "accumulate", "duration_s"}),
            }
            for study in record.studies
            for trial in study.trials
        ]
        searched = dict.fromkeys(
            key for study in record.studies for one in study.trials for key in one.setting
        )
        columns = ["model", "number", "state", *record.objectives, *searched]
        return frames.frame(rows, [*columns, "reason", "batch_size", "accumulate", "duration_s"])

    @property
    def best(self) -> dict[str, dict[str, Any]]:
        """Model -> the settings of its best trial; a model without a finished trial is left out."""
        return {
            study.model: dict(trial.setting)
            for study in self.record.studies
            for trial in study.trials
            if trial.number == study.best
        }

    @property
    def importance(self) -> "DataFrame":
        """One row for each model and searched setting: its share of the variance (fANOVA)."""
        rows = [
            {"model": study.model, "setting": setting, "importance": share}
            for study in self.record.studies
            for setting, share in study.importance.items()
        ]
        return frames.frame(rows, ("model", "setting", "importance"))

    @property
    def verdicts(self) -> list[str]:
        """For each model, a sentence on best against standard on test."""
        return reports.search_verdicts(self.path)

    @property
    def final(self) -> Run | None:
        """The run that compares best and standard; None where there is none (yet)."""
        name = self.record.final
        return None if name is None else Run(RunFolder.open(self.path / name))

    def report(self) -> Report:
        """Write the report of the search into its folder, and return it."""
        return report(self.path)

    def resume(
        self,
        *,
        trials: int | None = None,
        seeds: int | Iterable[int] = (),
        jobs: Jobs | None = None,
        storage: str | None = None,
        final: bool = True,
        progress: bool | None = None,
        command: str | None = None,
    ) -> "Search":
        """Continue the search; `trials`, `seeds` and `jobs` may differ from before.

        Raises as `bench.search` does.
        """
        options = searching.SearchOptions(
            command=command or call.as_text("open_search", str(self.path)) + ".resume()",
            storage=storage,
            final=final,
        )
        more = call.merged({}, search__trials=trials, search__seeds=call.integers(seeds) or None, jobs=jobs)
        with _watch(progress) as view:
            return Search(searching.resume(self.folder, view, options, more).folder)

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        record = self.record
        ended = sum(trial.state != "running" for study in record.studies for trial in study.trials)
        wanted = record.wanted_trials * len(record.studies)
        return f"<bench.Search {str(self.path)!r}: {ended} of {wanted} trials ended>"

    def _repr_html_(self) -> str:
        return reports.search_summary(self.path)


@contextlib.contextmanager
def _watch(progress: bool | None) -> Iterator[SearchView]:
    """A view for what happens in the block; an interruption gets a note that says how to continue."""
    with open_screen(progress) as screen:
        view = SearchView(screen)
        try:
            with download_progress(view.on_weights):
                yield view
        except KeyboardInterrupt as interruption:
            if view.folder is not None:
                interruption.add_note(f"Continue with: bench search --resume {view.folder.root}")
            raise
