"""Several cells at a time: who starts when, and who is left running."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.cell.spec import CellSpec
from bench.jobs import Slot
from bench.process import Message
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.records import CellRecord
from bench.runner import executor
from bench.runner.executor import LocalExecutor
from bench.store import CellFolder


class Played:
    """Stands for `CellProcess`: lives for as many polls as its cell's number says."""

    running: list["Played"]
    most: int

    def __init__(self, folder: CellFolder, slot: Slot) -> None:
        self.folder, self.slot = folder, slot
        self.child = self
        self._left = int(folder.name.split("-")[-1])
        self._told: list[Message] = [{"event": "epoch", "peak_memory_mib": 3000.0}]
        Played.running.append(self)
        Played.most = max(Played.most, len(Played.running))

    def poll(self) -> object | None:
        self._left -= 1
        return "ended" if self._left < 0 else None

    def arrived(self) -> list[Message]:
        told, self._told = self._told, []
        return told

    def end(self) -> CellRecord:
        Played.running.remove(self)
        return self.folder  # type: ignore[return-value]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """Runs cells 'model-seed-polls' and returns what happened, in order."""
    Played.running, Played.most = [], 0
    monkeypatch.setattr(executor, "CellProcess", Played)
    monkeypatch.setattr(executor, "wait_for_any", lambda children: None)

    def run(*names: str, slots: int = 2, free_mib: float = 1e6, fail: str = "", **settings: Any) -> list[str]:
        happened: list[str] = []
        cells = []
        for name in names:
            folder = CellFolder(tmp_path / name)
            folder.root.mkdir()
            plan = registry.family("fake").plan(
                variant=None, weights=None, options={}, recipe=Recipe(**settings)
            )
            CellSpec(
                model=name.split("-")[0], seed=0, device="cpu", layout=tmp_path, dataset="d", plan=plan,
                provenance=provenance("it"),
            ).write(folder)  # fmt: skip
            cells.append(folder)

        def on_event(cell: CellFolder, event: Message) -> None:
            if cell.name == fail:
                raise KeyboardInterrupt

        LocalExecutor([Slot("cpu", 1)] * slots, free_mib=lambda: free_mib).run(
            cells,
            on_start=lambda cell: happened.append(f"+{cell.name}"),
            on_event=on_event,
            on_end=lambda cell, record: happened.append(f"-{cell.name}"),
        )
        return happened

    yield run
    assert Played.running == []


def test_a_free_slot_takes_the_next_cell(play: Callable[..., list[str]]) -> None:
    found = play("a-0-9", "b-0-2", "c-0-1", "d-0-1")
    assert found == ["+a-0-9", "+b-0-2", "-b-0-2", "+c-0-1", "-c-0-1", "+d-0-1", "-d-0-1", "-a-0-9"]
    assert Played.most == 2


def test_one_slot_is_one_after_the_other(play: Callable[..., list[str]]) -> None:
    assert play("a-0-1", "b-0-1", slots=1) == ["+a-0-1", "-a-0-1", "+b-0-1", "-b-0-1"]


def test_little_memory_lets_a_cell_wait_but_never_the_only_one(play: Callable[..., list[str]]) -> None:
    assert play("a-0-1", "b-0-1", free_mib=10.0) == ["+a-0-1", "-a-0-1", "+b-0-1", "-b-0-1"]


def test_what_a_cell_took_must_be_free_for_the_next(play: Callable[..., list[str]]) -> None:
    """Two start with 2 GiB free; one of them reports 3 GB, so the third waits for both."""
    found = play("a-0-9", "b-0-2", "c-0-1", free_mib=2000.0)
    assert found == ["+a-0-9", "+b-0-2", "-b-0-2", "-a-0-9", "+c-0-1", "-c-0-1"]


def test_seeds_of_a_model_wait_for_its_batch_size(play: Callable[..., list[str]]) -> None:
    found = play("a-0-3", "a-1-1", "b-0-1", batch_size="auto")
    assert found[:2] == ["+a-0-3", "+b-0-1"]
    assert found.index("+a-1-1") > found.index("-a-0-3")


def test_an_interruption_ends_what_runs(play: Callable[..., list[str]]) -> None:
    with pytest.raises(KeyboardInterrupt):
        play("a-0-5", "b-0-5", fail="b-0-5")
