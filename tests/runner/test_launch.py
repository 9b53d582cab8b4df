"""Following a cell's events, and what is said of a process that leaves none."""

import signal
from pathlib import Path

import pytest

from bench import registry
from bench.cell.spec import CellSpec
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.runner import launch
from bench.runner.launch import follow
from bench.store import CellFolder


def test_whole_lines_only_and_none_in_between(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = follow(path)
    assert next(events) is None
    path.write_text('{"n": 1}\n{"n": ')
    assert next(events) == {"n": 1}
    assert next(events) is None
    with path.open("a") as file:
        file.write("2}\n")
    assert next(events) == {"n": 2}
    assert next(events) is None


@pytest.mark.parametrize(
    ("code", "kind", "told"),
    [
        (-signal.SIGKILL, "out_of_memory", "train.batch_size: 8 with train.accumulate: 2"),
        (-signal.SIGSEGV, "error", "ended by SIGSEGV"),
        (3, "error", "ended with code 3"),
    ],
)
def test_a_killed_process_may_have_lacked_memory(tmp_path: Path, code: int, kind: str, told: str) -> None:
    folder = CellFolder(tmp_path)
    folder.log_path.write_text("loading\nhalf of it\n")
    plan = registry.family("fake").plan(variant=None, weights=None, options={}, recipe=Recipe())
    CellSpec(
        model="it", seed=0, device="cpu", layout=tmp_path, dataset="d", plan=plan,
        provenance=provenance("it"),
    ).write(folder)  # fmt: skip
    record = launch._died(folder, code)
    assert record.failure and record.failure.kind == kind
    assert told in record.failure.reason
    assert "its last words: half of it" in record.failure.reason
    assert folder.record() == record
