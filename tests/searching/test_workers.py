"""Several workers on one study, in real processes: on a PostgreSQL server and on the search's own file."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench.search_records import SearchRecord, TrialRecord

pytestmark = pytest.mark.slow


def bench_search(config: Path, runs: Path, *words: str) -> "subprocess.Popen[str]":
    """`bench search` of one fake whose epochs take a while, without the final run."""
    command = [sys.executable, "-m", "bench", "search", "-c", str(config), "--models", "one", "--no-final"]
    options = ["models.one.options.oracle=true", "models.one.options.epoch_s=0.3", f"runs={runs}"]
    options += ["search.lost_after_s=4", "search.pruner=none"]
    for word in options:
        command += ["--set", word]
    return subprocess.Popen(
        [*command, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=runs,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """A shell's background jobs, and all below them, are deaf to it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def processes(*words: str) -> list[int]:
    """Living processes whose command line holds all of these."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().decode().split("\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if all(any(word in part for part in line) for word in words):
            found.append(int(entry.name))
    return found


def wait_for(what: Any, seconds: float = 90) -> Any:
    """What `what` gives, once it is anything."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def record_of(runs: Path) -> SearchRecord:
    (path,) = runs.glob("*-search-*/search.json")
    return SearchRecord.model_validate_json(path.read_bytes())


def split(record: SearchRecord) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """Trials that were lost, and the others."""
    trials = record.studies[0].trials
    lost = [trial for trial in trials if (trial.reason or "").startswith("lost")]
    return lost, [trial for trial in trials if trial not in lost]


def check_loss_of_one(record: SearchRecord, wanted: int) -> None:
    lost, kept = split(record)
    assert len(lost) == 1 and len(kept) == wanted
    assert {trial.state for trial in kept} == {"complete"}
    again = next(trial for trial in kept if trial.number == int((lost[0].reason or "").split()[-1]))
    assert again.setting == lost[0].setting


def test_two_workers_on_postgresql_of_which_one_is_killed(
    fake_config: Path, tmp_path: Path, postgres: str
) -> None:
    """The other takes up its trial; a second search then joins the study, and one of other data may not."""
    search = bench_search(fake_config, tmp_path, "--jobs", "2", "--trials", "6", "--storage", postgres)
    cells = wait_for(lambda: [*tmp_path.glob("*-search-*/trials/one/*/history.csv")][1:])
    workers = processes("bench.searching", str(cells[0].parents[3]))
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    out, told = search.communicate(timeout=240)
    assert search.returncode == 0, told
    record = record_of(tmp_path)
    check_loss_of_one(record, 6)
    assert len({trial.worker for trial in record.studies[0].trials}) == 2
    assert processes(str(tmp_path)) == []
    for path in tmp_path.glob("*-search-*/*"):
        assert path.is_dir() or b"tell-nobody" not in path.read_bytes()
    assert "tell-nobody" not in out + told
    resumed = subprocess.run(
        [sys.executable, "-m", "bench", "search", "--resume", str(cells[0].parents[3]), "--no-final"],
        env={**os.environ, "PGPASSWORD": "tell-nobody"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0 and "6 done before" in resumed.stdout, resumed.stderr
    other = bench_search(fake_config, tmp_path, "--storage", postgres, "--set", "data.synthetic.seed=5")
    _, told = other.communicate(timeout=120)
    assert other.returncode == 2 and "dataset: there" in told and "tell-nobody" not in told


def test_all_workers_are_lost_and_the_search_goes_on_with_resume(fake_config: Path, tmp_path: Path) -> None:
    search = bench_search(fake_config, tmp_path, "--trials", "4")
    (cell,) = wait_for(lambda: [*tmp_path.glob("*-search-*/trials/one/1/history.csv")])
    search.send_signal(signal.SIGKILL)
    search.communicate()
    wait_for(lambda: not processes(str(cell.parent)))  # its cell goes with it
    root = cell.parents[3]
    resumed = subprocess.run(
        [sys.executable, "-m", "bench", "search", "--resume", str(root), "--no-final"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert resumed.returncode == 0, resumed.stderr
    check_loss_of_one(record_of(tmp_path), 4)
    assert json.loads((root / "search.json").read_text())["studies"][0]["best"] is not None


def test_ctrl_c_says_how_to_go_on(fake_config: Path, tmp_path: Path) -> None:
    search = bench_search(fake_config, tmp_path, "--jobs", "2")
    cell = wait_for(lambda: [*tmp_path.glob("*-search-*/trials/one/*/history.csv")])[0]
    search.send_signal(signal.SIGINT)
    _, told = search.communicate(timeout=60)
    assert search.returncode == 130
    assert f"bench search --resume {cell.parents[3]}" in told
    wait_for(lambda: not processes(str(tmp_path)))
