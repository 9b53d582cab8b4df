"""One model's study in Optuna: made or joined, asked for settings, and counted."""

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
from bench.errors import ConfigError
from bench.search_config import LEAST, SearchConfig
from bench.searching.storage import RETRY_OF, give_out_again, quiet

IDENTITY = "bench"
"""User attribute of a study: what it searches over, on what; equal for all that work on it."""
REASON = "reason"
"""User attribute of a trial: why it failed. A failed trial without one was lost with its worker."""
RAN = "ran"
"""User attribute of a trial: its setting, batch_size, accumulate and worker."""
CURVE = "curve"
"""User attribute of a trial whose epochs are not reported to Optuna, because nothing is pruned."""
SURPLUS = "surplus"
"""User attribute of a trial that two workers began at once, of which one was enough."""

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Drawn(BaseSampler):
    """TPE that starts afresh from (seed, number of the draw) for every trial.

    So a resumed search draws what an uninterrupted one would have; what is given out again is no draw.
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


def pruner(words: SearchConfig, epochs: int | None) -> BasePruner:
    """What ends a poor trial; `epochs` is a training's length, None where that is no number of epochs."""
    if words.pruning == "median":
        return MedianPruner(
            n_startup_trials=words.prune_after_trials, n_warmup_steps=words.prune_after_epochs
        )
    if words.pruning == "hyperband":
        return HyperbandPruner(max_resource=epochs or "auto")
    return NopPruner()


def directions(objectives: Sequence[str]) -> list[StudyDirection]:
    """Of every objective: less of a cost, more of all else."""
    return [StudyDirection.MINIMIZE if name in LEAST else StudyDirection.MAXIMIZE for name in objectives]


def open_study(
    storage: RDBStorage,
    name: str,
    words: SearchConfig,
    *,
    identity: Mapping[str, Any],
    first: Mapping[str, Any],
    epochs: int | None,
) -> optuna.Study:
    """The study of that name, made where there is none; `first` is what its first trial tries.

    Raises ConfigError where one of that name searches over something else.
    """
    check_identity(storage, name, identity)
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=directions(words.objectives),
        sampler=Drawn(words.seed, random_trials=words.random_trials),
        pruner=pruner(words, epochs),
        load_if_exists=True,
    )
    if IDENTITY not in study.user_attrs:
        study.set_user_attr(IDENTITY, json.dumps(identity, sort_keys=True))
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(dict(first))
    return study


def check_identity(storage: RDBStorage, name: str, identity: Mapping[str, Any]) -> None:
    """Raises ConfigError where the storage has a study of that name which searches over something else."""
    if name not in optuna.get_all_study_names(storage):
        return
    stored = optuna.load_study(study_name=name, storage=storage).user_attrs.get(IDENTITY)
    if stored is None:
        raise ConfigError(
            "a study of that name is there, and was not made by bench search",
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
            "\n".join(["a study of that name is there, of another search:", *lines]),
            record="storage",
            value=name,
            hint="give the search another name (--set name=NAME), or ask for the same",
        )


def counted(study: optuna.Study) -> tuple[int, int]:
    """Trials that have ended, well or badly, and those that run. Lost and surplus ones are neither."""
    trials = study.get_trials(deepcopy=False)
    return sum(map(has_ended, trials)), sum(trial.state is TrialState.RUNNING for trial in trials)


def has_ended(trial: FrozenTrial) -> bool:
    return trial.state in ENDED and not is_lost(trial)


def is_lost(trial: FrozenTrial) -> bool:
    """Whether its worker was lost before it could say how it ended, or it was one too many."""
    return trial.state is TrialState.FAIL and REASON not in trial.user_attrs


def is_surplus(study: optuna.Study, number: int, wanted: int) -> bool:
    """Whether there were enough without the trial of that number: another worker was quicker."""
    trials = study.get_trials(deepcopy=False)
    earlier = [other for other in trials if other.number < number]
    return sum(has_ended(other) or other.state is TrialState.RUNNING for other in earlier) >= wanted


def recover(study: optuna.Study, *, alone: bool) -> None:
    """Give out again what a search that was left had under way; `alone`: nobody else works on the study."""
    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get(RETRY_OF) for trial in trials}
    for trial in trials:
        if trial.state is TrialState.RUNNING and alone:
            study.tell(trial.number, state=TrialState.FAIL)
        elif not is_lost(trial) or SURPLUS in trial.user_attrs:
            continue
        if trial.number not in again:
            give_out_again(study, trial)


def _json(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)
