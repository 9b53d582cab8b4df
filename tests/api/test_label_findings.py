"""`bench data check --with RUN`."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import bench
from bench.cli.app import app
from bench.errors import ConfigError


@pytest.mark.slow
def test_a_run_adds_its_doubts_and_must_have_seen_the_data(tmp_path: Path) -> None:
    """A fake detector knows only where boxes are on average: it finds neither of the two in each image."""
    dice = np.random.default_rng(0)
    records = []
    for number in range(24):
        path = tmp_path / "pics" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(dice.integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(path)
        split = ("train", "train", "val", "test")[number % 4]
        records.append(
            {
                "image": path,
                "boxes": [[5, 5, 40, 40], [50, 50, 60, 60]],
                "labels": ["it", "it"],
                "split": split,
            }
        )
    data = bench.from_records(records, tmp_path / "pics")
    config = {
        "data": data,
        "models": ["fake"],
        "train": {"epochs": 1, "batch_size": 4},
        "gates": False,
        "runs": str(tmp_path / "runs"),
        "cache": str(tmp_path / "cache"),
    }
    run = bench.run(config, progress=False)
    command = ["data", "check", str(tmp_path / "pics"), "--json", "--with", str(run.path)]
    result = CliRunner().invoke(app, command)
    findings = {one["kind"]: one for one in json.loads(result.stdout)["findings"]}
    unfound = findings["doubt_unfound"]
    assert unfound["count"] == 24
    assert unfound["severity"] == "info"
    assert Path(unfound["examples"][0]["path"]).is_file()
    assert unfound["examples"][0]["boxes_xyxy"][0] in ([5, 5, 40, 40], [50, 50, 60, 60])
    for record in records[:8]:
        Path(record["image"]).rename(tmp_path / f"other-{Path(record['image']).name}")
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "a.png").write_bytes((tmp_path / "pics" / "8.png").read_bytes())
    bench.from_records(
        [{"image": tmp_path / "moved" / "a.png", "boxes": [], "labels": []}], tmp_path / "moved"
    )
    with pytest.raises(ConfigError, match=r"the run saw 24 images of .*, and here are 1"):
        bench.check(tmp_path / "moved", trained=run.path)
