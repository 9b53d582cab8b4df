"""History, events and patience."""

import json
from pathlib import Path

import pytest

from bench.cell.watch import Watch
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
        pictures_seen=number,
        duration_s=0.5,
    )


def stops(folder: CellFolder, patience: int, scores: list[float | None]) -> list[bool]:
    watch = Watch(folder, patience=patience)
    return [watch.epoch(epoch(number, ap)) for number, ap in enumerate(scores, start=1)]


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


def test_a_resumed_watch_goes_on_counting_and_replaces_a_repeated_epoch(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    assert stops(folder, 2, [0.3, 0.2]) == [False, False]
    again = Watch(folder, patience=2)
    assert again.epoch(epoch(2, 0.25)) is False
    assert again.epoch(epoch(3, 0.1)) is True
    assert [(row["epoch"], row["metrics/AP"]) for row in folder.history()] == [(1, 0.3), (2, 0.25), (3, 0.1)]


def test_history_keeps_epochs_with_different_words(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    watch = Watch(folder, patience=0)
    watch.epoch(epoch(1, None))
    watch.epoch(epoch(2, 0.5, **{"native/mAP50": 0.6}))
    first, second = folder.history()
    assert "metrics/AP" not in first
    assert second["metrics/AP"] == 0.5
    assert watch.native() == {"mAP50": 0.6}


def test_events_are_whole_lines_and_steps_are_throttled(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path)
    watch = Watch(folder, patience=0)
    watch.stage("fit")
    for done in range(1000):
        watch.step(done, 1000)
    events = [json.loads(line) for line in folder.events_path.read_text().splitlines()]
    assert events[0] == {"event": "stage", "stage": "fit"}
    assert 1 <= sum(event["event"] == "step" for event in events) <= 5
