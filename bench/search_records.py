"""The record of a search: search.json, from which tables, figures and the report are made.

SEARCH/
  search.json           SearchRecord: rewritten after every trial
  search_info.json      what was fixed when it began: the layout, its classes and counts
  bench.yaml            the resolved config of the search; `bench search -c` repeats it
  manifest.json         a copy of the dataset's manifest
  study.db              Optuna's storage, if no other URL is given: optuna-dashboard opens it
  trials/MODEL/NUMBER/  a bench.store.CellFolder for each trial, without test figures and weights
  best.yaml             best against standard as a config: `bench run -c` repeats the comparison
  report.html, figures/
  final/                that run, a bench.store.RunFolder: cells MODEL-standard-seedN, MODEL-best-seedN
"""

from typing import Any, Literal

from pydantic import Field

from bench.records import Frozen, Provenance

TrialState = Literal["running", "complete", "pruned", "failed"]


class TrialRecord(Frozen):
    """One trial: one cell with one set of values."""

    number: int = Field(description="from 0, in the study of its model")
    state: TrialState
    setting: dict[str, Any] = Field(description="setting -> value, without those that have no effect")
    values: dict[str, float] | None = Field(
        description="objective -> value of the judged checkpoint on val; None if there is none"
    )
    curve: tuple[tuple[int, float], ...] = Field((), description="(epoch, first objective on val)")
    reason: str | None = Field(None, description="why it was pruned or failed")
    batch_size: int | None = Field(None, description="that was used; a lack of memory may have halved it")
    accumulate: int | None = None
    duration_s: float | None = None
    worker: str | None = None


class StudyRecord(Frozen):
    """The search of one model."""

    model: str = Field(description="its name in bench.yaml")
    family: str
    study: str = Field(description="its name in the storage")
    trials: tuple[TrialRecord, ...] = ()
    best: int | None = Field(None, description="number of the trial that the final training repeats")
    pareto: tuple[int, ...] = Field((), description="with two objectives: trials that no other beats in both")
    importance: dict[str, float] = Field(
        default_factory=dict,
        description="setting -> share of the variance (fANOVA of the first objective)",
    )


class SearchRecord(Frozen):
    """search.json."""

    version: Literal[1] = 1
    name: str
    dataset: str = Field(description="the layout's key")
    classes: tuple[str, ...]
    train_counts: dict[str, int] = Field(description="boxes of each class in the train split")
    rare_classes: tuple[str, ...]
    objectives: tuple[str, ...]
    sampler: str
    pruner: str
    seed: int
    wanted_trials: int = Field(description="for each model")
    seeds: tuple[int, ...] = Field(description="of the final trainings; empty without final trainings")
    space: dict[str, Any] = Field(description="setting -> its possible values, as in bench.yaml")
    storage: str = Field(description="Optuna's URL without its password")
    studies: tuple[StudyRecord, ...]
    final: str | None = Field(None, description="the run that compares best and standard, relative to SEARCH")
    provenance: Provenance
