"""History, events and patience."""

import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.cell.monitor import TrainingMonitor
from bench.errors import RunError
from bench.records import EpochRecord
from bench.store import CellFolder


def epoch(number: int, ap: float | None, **metrics: float) -> EpochRecord:
    found = metrics if ap is None else {"AP": ap, "AP50": ap, **metrics}
    return EpochRecord(
        epoch=number,
        epochs=9,
        train_losses={"box": 1.0 / number},
        val_metrics=found,
        optimizer_steps=number,
        images_seen=number,
        duration_s=0.5,
    )


def stops(folder: CellFolder, patience: int, scores: list[float | None]) -> list[bool]:
    monitor = TrainingMonitor(folder, patience=patience)
    return [monitor.epoch(epoch(number, ap)) for number, ap in enumerate(scores, start=1)]


@pytest.mark.parametrize(
    ("patience", "scores", "expected"),
    [
        (0, [0.3, 0.2, 0.1, 0.0], [False] * 4),
        (2, [0.3, 0.2, 0.1], [False, False, True]),
        (2, [0.1, 0.2, 0.1, 0.3, 0.3, 0.3], [False] * 5 + [True]),  # an equal score is no better one
        (1, [0.1, None, None, 0.0], [False, False, False, True]),  # epochs without validation don't count
    ],
)
def test_patience_counts_validations_without_a_better_ap(
    tmp_path: Path, patience: int, scores: list[float | None], expected: list[bool]
) -> None:
    assert stops(CellFolder(tmp_path), patience, scores) == expected


@pytest.mark.parametrize(("monitor", "expected"), [("AP", [False, True]), ("AR_100", [False, False])])
def test_patience_watches_the_figure_that_it_is_told_to(
    tmp_path: Path, monitor: str, expected: list[bool]
) -> None:
    monitor = TrainingMonitor(CellFolder(tmp_path), patience=1, monitor=monitor)
    assert [monitor.epoch(epoch(1, 0.3, AR_100=0.1)), monitor.epoch(epoch(2, 0.2, AR_100=0.2))] == expected


def test_a_figure_that_nobody_tells_is_no_reason_to_wait_for_ever(tmp_path: Path) -> None:
    monitor = TrainingMonitor(CellFolder(tmp_path), patience=1, monitor="AP75")
    assert monitor.epoch(epoch(1, None)) is False
    with pytest.raises(RunError, match="monitor"):
        monitor.epoch(epoch(2, 0.3))


def test_history_says_what_an_epoch_cost(tmp_path: Path) -> None:
    monitor = TrainingMonitor(CellFolder(tmp_path), patience=0)
    monitor.epoch(epoch(1, 0.3).model_copy(update={"images_per_s": 12.5}))
    monitor.epoch(epoch(2, 0.3).model_copy(update={"peak_memory_mib": 7.0}))
    first, second = CellFolder(tmp_path).history()
    assert (first["images_per_s"], second["peak_memory_mib"]) == (12.5, 7.0)
    assert first["peak_memory_mib"] > 10  # this very process
    assert "images_per_s" not in second


def test_curves_are_written_where_tensorboard_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the package: what it is told, and that it is flushed."""
    told: list[tuple[object, ...]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            told.append((folder,))

        def add_scalar(self, tag: str, value: float, step: int) -> None:
            told.append((tag, value, step))

        def flush(self) -> None:
            told.append(())

    package, summary = ModuleType("tensorboard"), ModuleType("tensorboard.summary")
    package.__spec__ = ModuleSpec("tensorboard", None)
    summary.Writer = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorboard", package)
    monkeypatch.setitem(sys.modules, "tensorboard.summary", summary)
    monitor = TrainingMonitor(CellFolder(tmp_path), patience=0)
    monitor.epoch(epoch(1, 0.3))
    monitor.epoch(epoch(2, 0.4))
    assert told[0] == (str(tmp_path / "tensorboard"),)
    assert told[-1] == ()
    assert {("train/box", 1.0, 1), ("metrics/AP", 0.4, 2), ("cost/duration_s", 0.5, 2)} <= set(told)
    assert not any("epoch" in row for row in told)


def test_without_tensorboard_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.cell.tensorboard.find_spec", lambda name: None)
    TrainingMonitor(CellFolder(tmp_path), patience=0).epoch(epoch(1, 0.3))
    assert not CellFolder(tmp_path).tensorboard_dir.exists()


def test_the_real_tensorboard_reads_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    TrainingMonitor(CellFolder(tmp_path), patience=0).epoch(epoch(1, 0.3))
    events = EventAccumulator(str(CellFolder(tmp_path).tensorboard_dir))
    events.Reload()
    assert {"train/box", "metrics/AP", "cost/duration_s"} <= set(events.Tags()["tensors"])


def test_a_resumed_watch_goes_on_counting_and_replaces_a_repeated_epoch(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    assert stops(folder, 2, [0.3, 0.2]) == [False, False]
    again = TrainingMonitor(folder, patience=2)
    assert again.epoch(epoch(2, 0.25)) is False
    assert again.epoch(epoch(3, 0.1)) is True
    assert [(row["epoch"], row["metrics/AP"]) for row in folder.history()] == [(1, 0.3), (2, 0.25), (3, 0.1)]


def test_a_validation_within_an_epoch_is_a_row_of_its_own_and_counts_for_patience(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    events: list[Mapping[str, Any]] = []
    monitor = TrainingMonitor(folder, events.append, patience=2)
    assert monitor.epoch(epoch(1, 0.3)) is False
    assert monitor.epoch(epoch(2, 0.2).model_copy(update={"share": 0.5})) is False
    again = TrainingMonitor(folder, events.append, patience=2)  # after a kill epoch 2 is trained again
    assert again.epoch(epoch(1, 0.3)) is False
    assert again.epoch(epoch(2, 0.2).model_copy(update={"share": 0.5})) is False
    assert again.epoch(epoch(2, 0.3)) is True
    rows = [(row["epoch"], row["metrics/AP"]) for row in folder.history()]
    assert rows == [(1, 0.3), (1.5, 0.2), (2, 0.3)]
    assert [event["event"] for event in events] == ["epoch", "validation", "epoch", "validation", "epoch"]


def test_history_keeps_epochs_with_different_words(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    monitor = TrainingMonitor(folder, patience=0)
    monitor.epoch(epoch(1, None))
    monitor.epoch(epoch(2, 0.5, **{"native/mAP50": 0.6}))
    first, second = folder.history()
    assert "metrics/AP" not in first
    assert second["metrics/AP"] == 0.5
    assert monitor.native() == {"mAP50": 0.6}


def test_steps_are_throttled(tmp_path: Path) -> None:
    events: list[Mapping[str, Any]] = []
    monitor = TrainingMonitor(CellFolder(tmp_path), events.append, patience=0)
    monitor.stage("fit")
    for done in range(1000):
        monitor.step(done, 1000)
    assert events[0] == {"event": "stage", "stage": "fit"}
    assert 1 <= sum(event["event"] == "step" for event in events) <= 5
