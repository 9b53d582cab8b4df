"""Following a cell's events."""

from pathlib import Path

from bench.runner.launch import follow


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
