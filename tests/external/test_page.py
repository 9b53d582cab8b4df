"""Every command of docs/evaluate.md runs as it stands there."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from bench.cli.app import app
from bench.store import RunFolder

PAGE = Path(__file__).parent.parent.parent / "docs/evaluate.md"


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


@pytest.mark.slow
def test_every_command_runs(
    truth, detections, trained: RunFolder, write_csv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("instances.json", "test.json", "val.json"):
        Path(name).write_text(json.dumps(truth))
    for name in ("a.json", "b.json", "test-predictions.json", "val-predictions.json"):
        Path(name).write_text(json.dumps(detections))
    write_csv(
        "b.csv",
        ("image", "class", "score", "x", "y", "w", "h"),
        [(one["image_id"], one["category_id"], one["score"], *one["bbox"]) for one in detections],
    )
    shutil.move(trained.root, "RUN")
    found = commands()
    assert len(found) == 8
    for command in found:
        assert command[0] == "bench"
        assert not app(command[1:], standalone_mode=False), command
    assert (tmp_path / "judged/report.html").is_file() and (tmp_path / "both.html").is_file()
    assert len(list((tmp_path / "runs").iterdir())) == 2
