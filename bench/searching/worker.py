"""A worker: runs trials, each of the model that has the fewest so far, until all models have enough."""

import time
from collections.abc import Mapping

import optuna
from optuna.storages import fail_stale_trials

from bench.searching.folder import SearchFolder
from bench.searching.plan import SearchPlan, open_studies
from bench.searching.storage import open_storage, quiet, reachable
from bench.searching.study import SURPLUS, count_trials
from bench.searching.summary import trial_record
from bench.searching.trial import OnEvent, TrialFailed, TrialRun

WAIT_S = 1.0
"""Seconds between two checks of trials that other workers run."""


def work(folder: SearchFolder, planned: SearchPlan, url: str, on_event: OnEvent) -> None:
    """Run trials until every model has as many as were asked for, counting those of all workers.

    Raises RunError where the connection to the storage is lost.
    """
    search = planned.search
    with reachable(url):
        studies = open_studies(
            planned, folder.info().dataset, open_storage(url, lost_after_s=search.lost_after_s)
        )
        runs = {
            name: TrialRun(folder, planned.config, name, planned.spaces[name], on_event) for name in studies
        }
        while (name := _next(studies, search.trials)) is not None:
            with quiet():
                studies[name].optimize(runs[name], n_trials=1, catch=(TrialFailed,))
            ended = studies[name].get_trials(deepcopy=False)[runs[name].number]
            if SURPLUS not in ended.user_attrs:
                record = trial_record(ended, search.objectives).model_dump(mode="json")
                on_event({"event": "trial_end", "model": name, "number": ended.number, "record": record})


def _next(studies: Mapping[str, optuna.Study], wanted: int) -> str | None:
    """The model whose turn it is; None when all have enough. Waits for trials that other workers run."""
    while True:
        begun: dict[str, int] = {}
        waiting = False
        for name, study in studies.items():
            ended, running = count_trials(study)
            if ended + running < wanted:
                begun[name] = ended + running
            elif ended < wanted:
                waiting = True
        if begun:
            return min(begun, key=lambda name: begun[name])
        if not waiting:
            return None
        time.sleep(WAIT_S)
        for study in studies.values():
            with quiet():
                fail_stale_trials(study)
