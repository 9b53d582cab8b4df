"""The match tables of a run: from the disk where they are there, else from the predictions."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import files
from bench.errors import RunError
from bench.evaluation import Judge, best_threshold, match, matches_of, write_matches
from bench.provenance import provenance
from bench.store import CellFolder, RunFolder, RunInfo


@pytest.fixture
def run(tmp_path: Path, crowded_scene: Any) -> RunFolder:
    """A run of one cell, without a match table."""
    coco, found = crowded_scene
    run = RunFolder(tmp_path / "run")
    info = RunInfo(
        name="run",
        layout=str(tmp_path),
        dataset="abc",
        classes=("class 0", "class 1", "class 2"),
        cells=("one",),
        provenance=provenance(""),
    )
    files.write_text(run.info_path, info.model_dump_json())
    files.write_json(run.ground_truth_path("test"), coco)
    files.write_json(run.cell("one").predictions_path("test"), found)
    return run


def test_a_table_is_computed_where_there_is_none_and_nothing_is_written(run: RunFolder) -> None:
    cell = run.cell("one")
    table = matches_of(run, cell, "test")
    assert len(table) == 400 and table.images == 20
    assert not cell.matches_path("test").exists()


def test_a_stored_table_is_read(run: RunFolder) -> None:
    cell = run.cell("one")
    table = matches_of(run, cell, "test")
    write_matches(cell.matches_path("test"), table)
    cell.predictions_path("test").unlink()
    assert best_threshold(matches_of(run, cell, "test")) == best_threshold(table)


def test_a_damaged_or_outdated_table_is_computed_anew(
    run: RunFolder, judged: Any, one_box_scene: Any
) -> None:
    cell = run.cell("one")
    path = cell.matches_path("test")
    path.write_bytes(b"no table")
    assert len(matches_of(run, cell, "test")) == 400
    write_matches(path, match(*judged(one_box_scene)))
    assert len(matches_of(run, cell, "test")) == 1
    written = cell.predictions_path("test").stat().st_mtime
    os.utime(path, (written - 1, written - 1))
    assert len(matches_of(run, cell, "test")) == 400


def test_one_judge_serves_several_cells(run: RunFolder) -> None:
    judge = Judge.of_run(run)
    tables = [matches_of(run, run.cell("one"), "test", judge=judge) for _ in range(2)]
    assert tables[0].object_id is tables[1].object_id
    assert np.array_equal(tables[0].score, tables[1].score)


def test_without_predictions_there_is_no_table(run: RunFolder) -> None:
    with pytest.raises(RunError, match="no such predictions"):
        matches_of(run, CellFolder(run.root / "cells" / "two"), "test")
