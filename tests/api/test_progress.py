"""What a watcher of a run reads line by line, where there is no terminal."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bench.api.progress import RunView, clock
from bench.api.screens import Terminal
from bench.records import EpochRecord
from bench.store import CellFolder


def epoch(number: int, share: float = 1.0, **figures: float) -> dict[str, Any]:
    record = EpochRecord(
        epoch=number,
        share=share,
        epochs=4,
        train_losses={"box": 0.5},
        val_losses={},
        val_metrics=figures,
        learning_rates={"all": 0.1},
        optimizer_steps=10,
        images_seen=40,
        duration_s=8.0 * share,
    )
    return {"event": "epoch" if share == 1 else "validation", **record.model_dump()}


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("bench.api.progress.PLAIN_LINE_S", 0.0)
    text = StringIO()
    view = RunView(Terminal(Console(file=text, width=200)))
    cell = CellFolder(Path("detr-seed0"))
    view.on_cell_start(1, cell, done=False)

    def told(*events: dict[str, Any]) -> list[str]:
        for event in events:
            view.on_cell_event(cell, event)
        return text.getvalue().splitlines()[1:]

    return told


def test_a_validation_within_an_epoch_is_told(lines: Any) -> None:
    first, second = lines({"event": "stage", "stage": "fit"}, epoch(1, 0.25, AP=0.125), epoch(1))
    assert first.endswith("detr-seed0  epoch 0.25/4  box 0.5  val AP 0.125  left 0:30")
    assert second.endswith("detr-seed0  epoch 1/4  box 0.5  left 0:24")


def test_the_final_training_is_told_from_the_first(lines: Any) -> None:
    fit, final = ({"event": "stage", "stage": stage} for stage in ("fit", "final fit"))
    first, second = lines(fit, epoch(4, AP=0.5), final, epoch(1))
    assert "detr-seed0  epoch 4/4" in first
    assert "detr-seed0  final training  epoch 1/4" in second


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "0:05"), (75, "1:15"), (3599.6, "1:00:00"), (3700, "1:01:40")]
)
def test_time_left(seconds: float, text: str) -> None:
    assert clock(seconds) == text
