"""Commands as a user types them: what they print and their exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Bench = Callable[..., "CompletedProcess[str]"]


def refused(result: "CompletedProcess[str]") -> str:
    """The message of a mistake; never a traceback."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.slow
def test_run_ends_with_the_comparison_and_where_the_report_is(
    call: Bench, fake_config: Path, tmp_path: Path
) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "bench", "run", "-c", str(fake_config), "--set", f"runs={tmp_path / 'runs'}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert "Ranked by test AP" in result.stdout
    assert f"report   {run / 'report.html'}" in result.stdout
    assert "epoch 3/3" in result.stdout and "val AP" in result.stdout and "left 0:00" in result.stdout
    info = json.loads((run / "run.json").read_text())
    assert info["provenance"]["command"].startswith("bench run -c ")
    again = call("report", str(run), "-o", str(tmp_path / "again.html"), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.html").read_text().startswith("<!DOCTYPE html>")


@pytest.mark.slow
def test_a_failed_cell_sets_the_exit_code(call: Bench, fake_config: Path, tmp_path: Path) -> None:
    result = call(
        "run",
        "-c",
        str(fake_config),
        "--set",
        f"runs={tmp_path / 'runs'}",
        "--set",
        "models.one.options.fail_at_epoch=1",
        cwd=tmp_path,
    )
    assert result.returncode == 1
    assert "failed: one-seed0: RuntimeError" in result.stdout
    assert "bench run --resume" in result.stdout


def test_init_describe_and_convert_on_a_folder_of_data(call: Bench, tmp_path: Path) -> None:
    from PIL import Image

    for number in range(12):
        for kind in ("images", "labels"):
            (tmp_path / "mine" / kind).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), (number * 20, 0, 0)).save(tmp_path / "mine/images" / f"{number}.png")
        (tmp_path / "mine/labels" / f"{number}.txt").write_text(f"{number % 2} 0.5 0.5 0.25 0.5\n")
    (tmp_path / "mine/data.yaml").write_text("path: .\ntrain: images\nnames: [cat, dog]\n")
    written = call("init", "mine", cwd=tmp_path)
    assert written.returncode == 0, written.stderr
    assert "12 pictures" in (tmp_path / "bench.yaml").read_text()
    assert "exists already" in refused(call("init", "mine", cwd=tmp_path))
    described = call("data", "describe", "--figure", "classes.png", cwd=tmp_path)
    assert described.returncode == 0, described.stderr
    assert "cat" in described.stdout and "50.0%" in described.stdout
    assert "rare      no class" in described.stdout
    named = call("data", "describe", "--set", "rare_classes=[dog]", cwd=tmp_path)
    assert "rare      dog" in named.stdout
    assert "is no class of the dataset" in refused(
        call("data", "describe", "--set", "rare_classes=[dgo]", cwd=tmp_path)
    )
    assert (tmp_path / "classes.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "mine/images/3.png").write_bytes(b"no picture")
    converted = call("data", "convert", cwd=tmp_path)
    data_yamls = map(str, (tmp_path / ".bench/datasets").glob("*/data.yaml"))
    assert any(path in converted.stdout for path in data_yamls)
    assert "repairs   1 pictures that can't be read" in converted.stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("run", "-c", "none.yaml"), "bench init FOLDER"),
        (("run", "--models", "detrr"), "did you mean 'detr'"),
        (("run", "--models", " , "), "names no model"),
        (("run", "--seeds", "0,x"), "seeds are whole numbers"),
        (("run", "--devices", "0, 0"), "names the same GPU twice"),
        (("run", "--set", "train.epoch=1"), "did you mean `epochs`"),
        (("run", "--set", "train.epochs=["), "--set: the value is not valid YAML"),
        (("run", "--set", "models=5", "--models", "fake"), "models: should be a list"),
        (("run", "--set", "name=../../esc"), "it names a folder"),
        (("run", "--resume", "."), "is not a run folder"),
        (("run", "--resume", ".", "--models", "detr"), "the run's own config"),
        (("report",), "holds no run yet"),
        (("report", "nowhere"), "is not a run folder"),
        (("init", "nowhere"), "nowhere"),
        (("data", "convert", "--set", "data.source=coco", "--set", "data.path=nowhere"), "nowhere"),
        (("frobnicate",), "No such command"),
    ],
)
def test_a_mistake_is_one_clear_message(
    call: Bench, tmp_path: Path, settings: tuple[str, ...], message: str
) -> None:
    assert message in refused(call(*settings, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_several_wrong_keys_are_reported_together(call: Bench, tmp_path: Path) -> None:
    (tmp_path / "bench.yaml").write_text("dta: {}\nmodel: []\ndata: {source: synthetic}\nmodels: [fake]\n")
    message = refused(call("run", cwd=tmp_path))
    assert "did you mean `data`" in message and "did you mean `models`" in message


def test_the_schema_is_json_and_has_the_settings(call: Bench, tmp_path: Path) -> None:
    schema = json.loads(call("config", "schema", cwd=tmp_path).stdout)
    assert "epochs" in schema["$defs"]["Recipe"]["properties"]


def test_models_lists_every_family(call: Bench, tmp_path: Path) -> None:
    out = call("models", cwd=tmp_path).stdout
    assert all(family in out for family in ("detr", "yolo", "frcnn", "fake", "resnet50_fpn_v2"))


def test_help_imports_no_framework(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['bench', '--help']\nfrom bench.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'pydantic', 'rich.progress'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "On my data" in result.stdout
    assert result.stderr.strip() == "[]"


def test_no_package_of_ours_is_called_datasets(tmp_path: Path) -> None:
    """transformers takes any importable `datasets` for Hugging Face's, also from the repository's root."""
    root = Path(__file__).resolve().parents[2]
    code = (
        "import bench.__main__, importlib.util as u\n"
        "print([u.find_spec(name) for name in ('datasets', 'adapters', 'reports')])"
    )
    for folder in (tmp_path, root):
        result = subprocess.run(
            [sys.executable, "-m", "bench", "--version"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
        assert result.stdout.startswith("bench ")
        specs = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
        )
        assert specs.stdout.strip() == "[None, None, None]"


def test_class_names_reach_a_terminal_without_unicode(tmp_path: Path) -> None:
    code = "import sys; from bench.cli.app import main; sys.argv = ['bench', '--version']\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\nfrom bench.api.console import console\n"
    code += "console().print('\\u7d19')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1:strict"},
        check=True,
    )
    assert "\\u7d19" in result.stdout
