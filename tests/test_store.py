"""A run's files: what is read back, and which run is the newest."""

import json
import shutil
from pathlib import Path

import pytest

from bench.errors import RunError
from bench.store import CellFolder, RunFolder

EARLIER_RUN = Path(__file__).parent / "earlier_run"


def copy(runs: Path, name: str, started: str) -> Path:
    root = Path(shutil.copytree(EARLIER_RUN, runs / name))
    info = json.loads((root / "run.json").read_text())
    info["provenance"]["started"] = started
    (root / "run.json").write_text(json.dumps(info))
    return root


def test_the_newest_run_is_the_one_that_was_started_last(tmp_path: Path) -> None:
    newest = copy(tmp_path, "b", "2026-03-01T00:30:00+00:00")
    copy(tmp_path, "a", "2026-03-01T01:00:00+02:00")  # an hour and a half before, and written after
    copy(tmp_path, "c", "2026-02-01T00:00:00Z")
    assert RunFolder.newest(tmp_path).root == newest


def test_a_broken_run_is_passed_over(tmp_path: Path) -> None:
    good = copy(tmp_path, "good", "2026-03-01T00:00:00Z")
    (copy(tmp_path, "broken", "2026-04-01T00:00:00Z") / "run.json").write_text("{")
    assert RunFolder.newest(tmp_path).root == good
    (good / "run.json").unlink()
    with pytest.raises(RunError, match="holds no run yet"):
        RunFolder.newest(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("run.json", "[]", "is not a run of a known version"),
        ("run.json", "\udc80", "is not a run of a known version"),
        ("manifest.json", "{", "can't be read"),
        ("manifest.json", None, "can't be read"),
        ("samples/samples.json", "[{}]", "can't be read"),
        ("samples/samples.json", None, "can't be read"),
        ("cells/frcnn-seed0/record.json", "{}", "is not a cell record"),
        ("cells/frcnn-seed0/history.csv", "epoch\nx\n", "can't be read"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    run = RunFolder(copy(tmp_path, "run", "2026-03-01T00:00:00Z"))
    damaged = run.root / name
    if content is None:
        damaged.unlink()
    else:
        damaged.write_bytes(content.encode("utf-8", errors="surrogateescape"))
    with pytest.raises(RunError, match=message) as caught:
        run.info(), run.manifest(), run.samples(), run.records(), run.cell("frcnn-seed0").history()
    assert caught.value.file == damaged


@pytest.mark.parametrize("name", ["../../victim", "/etc", "..", "a\nb", ""])
def test_a_cell_that_would_lie_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    root = copy(tmp_path, "run", "2026-03-01T00:00:00Z")
    info = json.loads((root / "run.json").read_text())
    (root / "run.json").write_text(json.dumps({**info, "cells": [name]}))
    with pytest.raises(RunError, match="is not a run of a known version"):
        RunFolder.open(root).cells()


@pytest.mark.parametrize("name", ["figures", ".lock", "cells/frcnn-seed0/log.txt", "results.csv"])
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str) -> None:
    root = copy(tmp_path, "run", "2026-03-01T00:00:00Z")
    target = tmp_path / "victim"
    target.mkdir()
    (root / name).unlink(missing_ok=True)
    (root / name).symlink_to(target)
    with pytest.raises(RunError, match="is a symbolic link") as caught:
        RunFolder.open(root)
    assert caught.value.file == root / name


def test_links_of_frameworks_and_joined_images_are_expected(tmp_path: Path) -> None:
    root = copy(tmp_path, "run", "2026-03-01T00:00:00Z")
    for name in ("training", "final/data"):
        folder = root / "cells" / "frcnn-seed0" / name
        folder.mkdir(parents=True)
        (folder / "image.png").symlink_to(tmp_path / "image.png")
    assert RunFolder.open(root).root == root
    assert RunFolder.open(_linked(root, tmp_path / "by-link")).info()


def _linked(root: Path, link: Path) -> Path:
    link.symlink_to(root)
    return link


def test_a_history_that_is_read_and_written_stays_the_same(tmp_path: Path) -> None:
    cell = CellFolder(tmp_path)
    cell.write_history(
        [{"epoch": 1, "metrics/AP": 0.25, "images_seen": 12}, {"epoch": 1.5, "images_seen": 18}]
    )
    before = cell.history_path.read_bytes()
    cell.write_history(cell.history())
    assert cell.history_path.read_bytes() == before
