"""One model's study in Optuna: created or joined, sampled from, and counted."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from bench import config_tree
from bench.errors import ConfigError, RunError
from bench.search_config import LEAST, SearchConfig
from bench.searching.folder import SearchFolder
from bench.searching.storage import RETRY_OF, quiet, requeue

IDENTITY = "bench"
"""User attribute of a study: what it searches over, on which data; equal for all its workers."""
REASON = "reason"
"""User attribute of a trial: why it failed. A failed trial without one is lost: its worker died."""
RAN = "ran"
"""User attribute of a trial: its setting, batch_size, accumulate and worker."""
CURVE = "curve"
"""User attribute of a trial: its epochs' values, where they are not reported to Optuna for pruning."""
SURPLUS = "surplus"
"""User attribute of a trial beyond the wanted number, started by two workers at the same time."""

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class ReseededTPE(BaseSampler):
    """TPE, reseeded for every trial from (seed, number of earlier trials without requeued ones).

    So a resumed search samples what an uninterrupted one would have.
    """

    def __init__(self, seed: int, *, random_trials: int) -> None:
        self._seed = seed
        self._random_trials = random_trials
        self._tpe: BaseSampler = self._of(0)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        earlier = [other for other in study.get_trials(deepcopy=False) if other.number < trial.number]
        self._tpe = self._of(sum(RETRY_OF not in other.user_attrs for other in earlier))

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        with quiet():
            return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._tpe.sample_independent(study, trial, param_name, param_distribution)

    def _of(self, number: int) -> TPESampler:
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        with quiet():
            return TPESampler(
                seed=seed,
                n_startup_trials=self._random_trials,
                multivariate=True,
                group=True,
                constant_liar=True,
            )


def pruner(search: SearchConfig, epochs: int | None) -> BasePruner:
    """The pruner; `epochs` is a training's length, None where it is not given in epochs."""
    if search.pruning == "median":
        return MedianPruner(
            n_startup_trials=search.prune_after_trials, n_warmup_steps=search.prune_after_epochs
        )
    if search.pruning == "hyperband":
        return HyperbandPruner(max_resource=epochs or "auto")
    return NopPruner()


def directions(objectives: Sequence[str]) -> list[StudyDirection]:
    """Of every objective: minimise costs, maximise everything else."""
    return [StudyDirection.MINIMIZE if name in LEAST else StudyDirection.MAXIMIZE for name in objectives]


def open_study(
    storage: RDBStorage,
    name: str,
    search: SearchConfig,
    *,
    identity: Mapping[str, Any],
    first: Mapping[str, Any],
    epochs: int | None,
) -> optuna.Study:
    """The study of that name, created if missing; `first` is the setting of its first trial.

    Raises ConfigError where a study of that name belongs to another search.
    """
    check_identity(storage, name, identity)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=directions(search.objectives),
        sampler=ReseededTPE(search.seed, random_trials=search.random_trials),
        pruner=pruner(search, epochs),
        load_if_exists=True,
    )
    if IDENTITY not in study.user_attrs:
        study.set_user_attr(IDENTITY, json.dumps(identity, sort_keys=True))
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(dict(first))
    return study


def check_identity(storage: RDBStorage, name: str, identity: Mapping[str, Any]) -> None:
    """Raises ConfigError where a study of that name in the storage belongs to another search."""
    if name not in optuna.get_all_study_names(storage):
        return
    stored = optuna.load_study(study_name=name, storage=storage).user_attrs.get(IDENTITY)
    if stored is None:
        raise ConfigError(
            "the storage has a study of that name that bench search did not create",
            record="storage",
            value=name,
            hint="give the search another name: --set name=NAME",
        )
    theirs, ours = json.loads(stored), json.loads(json.dumps(identity))
    lines = [
        f"  {key}: there {_json(one)}, here {_json(other)}"
        for key, (one, other) in config_tree.changes(theirs, ours).items()
    ]
    if lines:
        raise ConfigError(
            "\n".join(["the storage has a study of that name, of another search:", *lines]),
            record="storage",
            value=name,
            hint="give the search another name (--set name=NAME), or use the same settings",
        )


def count_trials(study: optuna.Study) -> tuple[int, int]:
    """Numbers of finished and running trials. Lost and surplus ones are neither."""
    trials = study.get_trials(deepcopy=False)
    return sum(map(has_ended, trials)), sum(trial.state is TrialState.RUNNING for trial in trials)


def check_not_lost(folder: SearchFolder, studies: Mapping[str, optuna.Study]) -> None:
    """Raises RunError where search.json holds trials that the storage lacks: they would all be repeated."""
    written = folder.record()
    if written is None:
        return
    lost = []
    for study in written.studies:
        trials = studies[study.model].get_trials(deepcopy=False)
        stored = {trial.number for trial in trials if trial.state.is_finished()}
        missing = sum(trial.state != "running" and trial.number not in stored for trial in study.trials)
        lost += [f"{missing} of {study.model}"] if missing else []
    if lost:
        raise RunError(
            f"holds trials that the storage lacks: {', '.join(lost)}; it was lost, or is another one",
            file=folder.record_path,
            hint="put study.db back from a copy, or give the search's own --storage; to repeat all trials: "
            f"bench search -c {folder.config_path}",
        )


def has_ended(trial: FrozenTrial) -> bool:
    return trial.state in ENDED and not is_lost(trial)


def is_lost(trial: FrozenTrial) -> bool:
    """Whether its worker died before it ended, or it was one too many."""
    return trial.state is TrialState.FAIL and REASON not in trial.user_attrs


def is_surplus(study: optuna.Study, number: int, wanted: int) -> bool:
    """Whether the trials before that number are enough already: another worker was faster."""
    trials = study.get_trials(deepcopy=False)
    earlier = [other for other in trials if other.number < number]
    return sum(has_ended(other) or other.state is TrialState.RUNNING for other in earlier) >= wanted


def recover(study: optuna.Study, *, alone: bool) -> None:
    """Requeue the trials that an interrupted search was running; `alone`: no other is at the study."""
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    for trial in trials:
        if trial.state is TrialState.RUNNING and alone:
            study.tell(trial.number, state=TrialState.FAIL)
        elif not is_lost(trial) or SURPLUS in trial.user_attrs:
            continue
        if trial.number not in again:
            requeue(study, trial)


def _json(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
