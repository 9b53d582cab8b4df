"""Every example of docs/python.md runs, in order, on two stand-ins named detr and yolo."""

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CONFIG = """
name: shelf
data: {source: synthetic, synthetic: {images: 40, size: 64}}
models:
  - {family: fake, name: detr}
  - {family: fake, name: yolo, options: {oracle: true}}
train: {epochs: 2, batch_size: 8}
"""


def examples() -> list[str]:
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", page, re.S)


@pytest.mark.slow
def test_every_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bench.yaml").write_text(CONFIG, encoding="utf-8")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (64, 48), "navy").save(tmp_path / "photos/one.jpg")
    names: dict[str, Any] = {}
    for number, example in enumerate(examples(), 1):
        exec(compile(example, f"docs/python.md, example {number}", "exec"), names)
    run, search, found = names["run"], names["search"], names["found"]
    assert len(run.results) == 4 and not run.failed and len(names["quick"].results) == 1
    assert names["page"].path.is_file() and (tmp_path / "classes.svg").is_file()
    assert list(names["ap"].index) == ["detr", "yolo"] and len(names["weakest"]) == 3
    assert (names["detections"]["score"] > 0.5).all() and list(names["curve"].columns) == ["detr", "yolo"]
    assert len(search.trials) == 2 and set(search.best) == {"detr"} and len(search.final.results) == 4
    assert len(search.verdicts) == 1 and "detr" in search._repr_html_() and "2 of 2 trials" in repr(search)
    assert names["description"].splits["images"].sum() == 40 and not names["dataset"].notes
    assert (found.path / "one.jpg").is_file() and set(found.detections["file_name"]) <= {"photos/one.jpg"}
    printed = capsys.readouterr()
    assert "did you mean `epochs`" in printed.out and printed.err == ""
