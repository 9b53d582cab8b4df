"""What is told of the data before a training."""

import io
import json
from pathlib import Path

from rich.console import Console

from bench.cli import data_notes


def told(tmp_path: Path, manifest: dict[str, object]) -> list[str]:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    written = io.StringIO()
    data_notes.tell(Console(file=written, soft_wrap=True, width=200), path, tmp_path / "layout")
    return written.getvalue().splitlines()


def test_repairs_notes_and_leaks_are_a_line_each(tmp_path: Path) -> None:
    lines = told(
        tmp_path,
        {
            "repairs": {
                "no_file": {"count": 1200, "meaning": "pictures that are listed but not there", "listed": []},
                "unreadable": {"count": 5, "meaning": "pictures that can't be read", "listed": []},
            },
            "split": {"notes": ["the source publishes no test"], "shared_groups": 148},
        },
    )
    assert lines[0] == "repairs   1,200 pictures that are listed but not there"
    assert lines[1] == "repairs   5 pictures that can't be read"
    assert lines[2].endswith(str(tmp_path / "layout" / "repairs.csv"))
    assert lines[3] == "split     the source publishes no test"
    assert lines[4].startswith("leak      148 groups of images are in more than one split")
    assert len(lines) == 5


def test_sound_data_needs_no_words(tmp_path: Path) -> None:
    assert told(tmp_path, {"repairs": {}, "split": {"kind": "random", "shared_groups": 0}}) == []
