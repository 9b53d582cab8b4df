"""What is said about the data before a training."""

from pathlib import Path

from bench.api.data_notes import notes


def test_repairs_notes_and_leaks_are_a_line_each() -> None:
    manifest = {
        "repairs": {
            "no_file": {"count": 1200, "meaning": "pictures that are listed but not there", "listed": []},
            "unreadable": {"count": 5, "meaning": "pictures that can't be read", "listed": []},
        },
        "split": {"notes": ["the source publishes no test"], "shared_groups": 148},
    }
    lines = list(notes(manifest, Path("/layout")))
    assert lines[:4] == [
        ("repairs   1,200 pictures that are listed but not there", ""),
        ("repairs   5 pictures that can't be read", ""),
        ("          one by one: /layout/repairs.csv", ""),
        ("split     the source publishes no test", "yellow"),
    ]
    assert lines[4][0].startswith("leak      148 groups of images are in more than one split")
    assert len(lines) == 5


def test_sound_data_needs_no_words() -> None:
    assert list(notes({"repairs": {}, "split": {"kind": "random", "shared_groups": 0}}, Path())) == []
