"""One trial: sample a setting, train a cell with it, evaluate it on val, return the objectives' values."""

import os
import shutil
import socket
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna

from bench.cell.spec import CellSpec
from bench.config import BenchConfig
from bench.detector import Plan
from bench.errors import BenchError
from bench.process import Message
from bench.records import CellRecord, Failure
from bench.runner.launch import launch
from bench.search_config import COSTS, SearchConfig
from bench.searching.folder import SearchFolder, SearchInfo
from bench.searching.setting import Batching, plan_setting
from bench.searching.space import Setting, Space
from bench.searching.study import CURVE, RAN, REASON, SURPLUS, is_surplus
from bench.store import CellFolder

OnEvent = Callable[[Message], None]

AFTER_TRAINING = ("predict", "time", "judge")
"""Stages of a cell that follow its training."""

WORKER = f"{socket.gethostname()}:{os.getpid()}"


class TrialFailed(Exception):
    """The trial has no figures; the search continues."""


class TrialRun:
    """The objective function that Optuna calls for every trial of one model."""

    def __init__(
        self, folder: SearchFolder, config: BenchConfig, model: str, space: Space, on_event: OnEvent
    ) -> None:
        assert config.search is not None
        self._folder = folder
        self._info: SearchInfo = folder.info()
        self._config = config
        self._search: SearchConfig = config.search
        self._model = model
        self._space = space
        self._on_event = on_event
        self._curve: list[tuple[int, float]] = []
        self.number = -1
        """Of the last trial."""

    def __call__(self, trial: optuna.Trial) -> float | Sequence[float]:
        """The objectives' values. Raises TrialPruned or TrialFailed."""
        self.number = trial.number
        if is_surplus(trial.study, trial.number, self._search.trials):
            trial.set_user_attr(SURPLUS, True)
            raise TrialFailed("another worker was faster")
        setting = self._space.suggest(trial)
        self._curve = []
        self._on_event({"event": "trial", "model": self._model, "number": trial.number, "setting": setting})
        try:
            record = self._trained(trial, setting)
            return self._values(record)
        except (BenchError, TrialFailed) as error:
            trial.set_user_attr(REASON, str(error))
            raise TrialFailed(str(error)) from error
        finally:
            if self._search.pruning == "none":
                trial.set_user_attr(CURVE, self._curve)

    def _trained(self, trial: optuna.Trial, setting: Setting) -> CellRecord:
        """The cell's record. When memory runs out, the batch is halved and the accumulation doubled."""
        batch: Batching | None = None
        folder = self._folder.trial(self._model, trial.number)
        shutil.rmtree(folder.root, ignore_errors=True)
        folder.root.mkdir(parents=True)
        while True:
            plan = plan_setting(self._config, self._model, setting, batch)
            batch = Batching(plan.recipe.batch, plan.recipe.accumulate)
            ran = {"batch_size": batch.size, "accumulate": batch.accumulate, "worker": WORKER}
            trial.set_user_attr(RAN, {"setting": setting, **ran})
            self._spec(plan, gates=trial.number == 0 and self._config.gates).write(folder)
            try:
                record = launch(folder, lambda event: self._on_cell_event(trial, event))
            finally:
                _clear(folder)
            if record.val is not None:  # also where a gate after training failed
                return record
            assert record.failure is not None
            smaller = batch.halved() if _wants_less(record.failure) else None
            if smaller is None:
                raise TrialFailed(f"{record.failure.stage}: {record.failure.reason}")
            batch = smaller
            folder.record_path.unlink()
            folder.history_path.unlink(missing_ok=True)

    def _spec(self, plan: Plan, *, gates: bool) -> CellSpec:
        return CellSpec(
            model=self._model,
            seed=self._config.seeds[0],
            device=self._config.device,
            layout=self._info.layout,
            dataset=self._info.dataset,
            plan=plan,
            gates=gates,
            splits=("val",),
            timed=any(name in COSTS for name in self._search.objectives),
            rare_classes=self._info.rare_classes,
            provenance=self._info.provenance,
        )

    def _on_cell_event(self, trial: optuna.Trial, event: Message) -> None:
        """Report to the caller and to Optuna; an exception here ends the cell."""
        self._on_event({**event, "model": self._model, "number": trial.number})
        value = event.get("val_metrics", {}).get(self._search.objectives[0])
        if event["event"] != "epoch" or value is None:
            return
        epoch = int(event["epoch"])
        self._curve = [point for point in self._curve if point[0] < epoch] + [(epoch, float(value))]
        if self._search.pruning == "none":
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an epoch reported again after memory ran out
            trial.report(value, epoch)
        if epoch < event["epochs"] and trial.should_prune():  # in the last epoch pruning saves nothing
            reason = f"{self._search.pruning}: {self._search.objectives[0]} {value:.4f} after epoch {epoch}"
            trial.set_user_attr(REASON, reason)
            raise optuna.TrialPruned(reason)

    def _values(self, record: CellRecord) -> float | Sequence[float]:
        known = figures(record)
        values = []
        for name in self._search.objectives:
            if known.get(name) is None:
                raise TrialFailed(f"{name} is not defined on this val split or device")
            values.append(float(known[name]))
        return values[0] if len(values) == 1 else values


def figures(record: CellRecord) -> Mapping[str, Any]:
    """Everything that can be an objective, by name: figures on val, and costs where they were measured."""
    assert record.val is not None
    val = record.val.model_dump()
    costs = record.efficiency.model_dump() if record.efficiency else {}
    return {**val["coco"], **val["operating_point"], **val, **costs}


def _wants_less(failure: Failure) -> bool:
    """Whether a smaller batch may help: later stages have a batch size of their own."""
    return failure.kind == "out_of_memory" and not failure.stage.startswith(AFTER_TRAINING)


def _clear(folder: CellFolder) -> None:
    """Delete weights and training state, which would fill the disk; figures, log and predictions stay."""
    for heavy in (folder.workdir, folder.checkpoint):
        shutil.rmtree(heavy, ignore_errors=True)
    (folder.root / "fitted.json").unlink(missing_ok=True)
