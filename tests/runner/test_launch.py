"""What is recorded of a cell whose process leaves no record."""

import signal
from pathlib import Path

import pytest

from bench import registry
from bench.cell.spec import CellSpec
from bench.process import Exit
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.runner import launch
from bench.store import CellFolder


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
    record = launch._died(folder, Exit(code))
    assert record.failure and record.failure.kind == kind
    assert told in record.failure.reason
    assert "the last line of its log: half of it" in record.failure.reason
    assert folder.record() == record
