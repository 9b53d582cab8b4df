"""Run a search, or resume one."""

import shutil
from dataclasses import dataclass
from typing import Any, Protocol

from bench import files
from bench.config import BenchConfig, Overrides, read_config
from bench.datasets import prepare
from bench.errors import RunError
from bench.jobs import slots
from bench.layout import Layout
from bench.process import Message
from bench.provenance import provenance
from bench.runner import run as running
from bench.runner.create import data_key, place, resolved_yaml
from bench.search_records import SearchRecord
from bench.searching.final import run_final, write_best
from bench.searching.folder import SearchFolder, SearchInfo
from bench.searching.plan import (
    SearchPlan,
    check_data,
    check_seeds,
    check_space,
    check_studies,
    open_studies,
    plan_search,
)
from bench.searching.storage import open_storage, reachable, without_password
from bench.searching.study import check_not_lost, count_trials, recover
from bench.searching.summary import search_record
from bench.searching.worker import work
from bench.searching.workers import run_workers

HEAD = "# The resolved config of this search. `bench search -c` on this file repeats it.\n"


class SearchCallbacks(running.RunCallbacks, Protocol):
    """Called as a search proceeds; its final run is reported as any run."""

    def on_search_start(self, folder: SearchFolder, planned: SearchPlan, done: int) -> None:
        """The search folder exists; `done` trials have been run before."""
        ...

    def on_trial_event(self, event: Message) -> None:
        """A trial starts (`trial`, with `setting`), has ended (`trial_end`, `record`), or its cell reports.

        Always with `model` and `number`; for events of cells see bench.cell.monitor.
        """
        ...


@dataclass(frozen=True)
class SearchResult:
    """A finished search; `final` is the run that compares, where one was asked for."""

    folder: SearchFolder
    record: SearchRecord
    final: running.RunResult | None


@dataclass(frozen=True)
class SearchOptions:
    """Options that do not change what is searched."""

    command: str
    storage: str | None = None
    final: bool = True


def start(config: BenchConfig, callbacks: SearchCallbacks, options: SearchOptions) -> SearchResult:
    """Plan, prepare the data, connect to the storage, create the folder, and search.

    Raises:
        BenchError: the search is not possible; no folder has been created.
        RunError: no trial has a value, or the connection to the storage is lost; the folder stays.
    """
    planned = plan_search(config)
    check_seeds(planned)
    corners = check_space(planned)
    layout = prepare(config.data, config.cache, progress=callbacks.on_data)
    rare = check_data(planned, corners, layout)
    dataset = data_key(layout)
    url = options.storage or planned.search.storage
    if url is not None:
        with reachable(url):
            check_studies(planned, dataset, open_storage(url, lost_after_s=planned.search.lost_after_s))
    planned = _with_storage(planned, url)
    info = SearchInfo(
        layout=layout.root,
        dataset=dataset,
        classes=layout.classes,
        train_counts=layout.class_counts("train"),
        rare_classes=rare,
        provenance=provenance(options.command),
    )
    folder = _create(planned, info, layout)
    return _search(folder, planned, url or folder.own_storage, callbacks, options)


def resume(
    folder: SearchFolder, callbacks: SearchCallbacks, options: SearchOptions, overrides: Overrides = ()
) -> SearchResult:
    """Resume an interrupted search; `overrides` may ask for more trials or other final seeds.

    Raises RunError where another process works on it, or its data is gone.
    """
    planned = plan_search(read_config(folder.config_path, overrides=overrides))
    info = folder.info()
    if not (info.layout / "manifest.json").is_file():
        raise RunError(
            "the prepared dataset of this search is missing",
            file=info.layout,
            hint=f"start a new one: bench search -c {folder.config_path}",
        )
    files.write_text(folder.config_path, resolved_yaml(planned.config, HEAD))  # the workers read it
    url = options.storage or planned.search.storage or folder.own_storage
    return _search(folder, planned, url, callbacks, options)


def _search(
    folder: SearchFolder, planned: SearchPlan, url: str, callbacks: SearchCallbacks, options: SearchOptions
) -> SearchResult:
    info = folder.info()
    seeds = planned.final_seeds if options.final else ()
    trials = planned.search.trials * len(planned.plans)
    places = slots(planned.config.devices, planned.config.jobs, trials)
    with files.alone(folder.root, "search"), reachable(url):
        storage = open_storage(url, lost_after_s=planned.search.lost_after_s)
        studies = open_studies(planned, info.dataset, storage)
        check_not_lost(folder, studies)
        for study in studies.values():
            recover(study, alone=url == folder.own_storage)
        callbacks.on_search_start(folder, planned, sum(count_trials(study)[0] for study in studies.values()))

        def record(**more: Any) -> SearchRecord:
            written = search_record(planned, info, studies, url, seeds=seeds, **more)
            folder.write_record(written)
            return written

        def on_event(event: Message) -> None:
            callbacks.on_trial_event(event)
            if event["event"] == "trial_end":
                record()

        record()
        if len(places) > 1:
            run_workers(folder, url, places, on_event)
        else:
            work(folder, planned, url, on_event)
        found = write_best(folder, planned, studies)
        written = record(whole=True)
        if not found:
            raise RunError(
                f"no trial has a value: {_reasons(written)}",
                file=folder.root,
                hint="see the trials' logs; the results so far are kept",
            )
        final = None
        if seeds:
            final = run_final(folder, callbacks, options.command)
            written = record(whole=True, final=folder.final_dir.name)
    return SearchResult(folder, written, final)


def _reasons(record: SearchRecord) -> str:
    reasons = {trial.reason for study in record.studies for trial in study.trials if trial.reason}
    return "; ".join(sorted(reasons)) or "no trial has ended"


def _with_storage(planned: SearchPlan, url: str | None) -> SearchPlan:
    """With the storage in the config, without its password."""
    search = planned.search.model_copy(update={"storage": None if url is None else without_password(url)})
    config = planned.config.model_copy(update={"search": search})
    return SearchPlan(config=config, search=search, spaces=planned.spaces, plans=planned.plans)


def _create(planned: SearchPlan, info: SearchInfo, layout: Layout) -> SearchFolder:
    """The new folder RUNS/NAME-search-DATE-TIME."""
    config = planned.config
    with files.draft_folder(config.runs, "new") as draft:
        folder = SearchFolder(draft)
        files.write_text(folder.config_path, resolved_yaml(config, HEAD))
        shutil.copyfile(layout.manifest_path, folder.manifest_path)
        folder.write_info(info)
        return SearchFolder(place(draft, f"{config.name}-search"))
