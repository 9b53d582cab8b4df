"""Losses on val, from a history as cells write it."""

from pathlib import Path

from bench.analysis import validation_losses
from bench.records import EpochRecord
from bench.store import CellFolder, history_row


def epoch(number: int, val_losses: dict[str, float], share: float = 1.0) -> dict[str, float]:
    return history_row(
        EpochRecord(
            epoch=number,
            share=share,
            epochs=3,
            train_losses={"class": 9.0},
            val_losses=val_losses,
            val_metrics={"AP": 0.1},
            optimizer_steps=1,
            images_seen=1,
            duration_s=1.0,
        )
    )


def test_they_are_those_of_the_chosen_epoch(tmp_path: Path) -> None:
    cell = CellFolder(tmp_path)
    cell.write_history(
        [
            epoch(1, {"class": 1.5, "box": 0.5}),
            epoch(2, {}),
            epoch(3, {"class": 0.9}, 0.5),
            epoch(3, {"class": 1.1}),
        ]
    )
    assert validation_losses(cell.history(), 1) == {"class": 1.5, "box": 0.5}
    assert validation_losses(cell.history(), 2) == {}
    assert validation_losses(cell.history(), 3) == {"class": 1.1}
    assert validation_losses(cell.history(), 7) == {}
