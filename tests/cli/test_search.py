"""`bench search` as a user types it."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from bench.search_records import SearchRecord

Bench = Callable[..., "CompletedProcess[str]"]


@pytest.mark.slow
def test_from_trials_to_the_verdict_and_best_yaml_repeats_it(
    call: Bench, fake_config: Path, tmp_path: Path
) -> None:
    oracle = ("--set", "models.one.options.oracle=true", "--set", f"runs={tmp_path / 'runs'}")
    settings = ("search", "-c", str(fake_config), "--models", "one", "--trials", "4", "--seeds", "1,2")
    result = call(*settings, *oracle, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    (root,) = (tmp_path / "runs").iterdir()
    record = SearchRecord.model_validate_json((root / "search.json").read_bytes())
    assert record.final == "final" and record.seeds == (1, 2)
    cells = sorted(path.name for path in (root / "final/cells").iterdir())
    assert cells == [f"one-{role}-seed{seed}" for role in ("best", "standard") for seed in (1, 2)]
    assert "Best on val by AP" in result.stdout and "Test AP" in result.stdout
    assert (root / "report.html").is_file()
    again = call("run", "-c", str(root / "best.yaml"), cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    (run,) = (path for path in (tmp_path / "runs").iterdir() if path != root)
    first, second = ((path / "classes.csv").read_bytes() for path in (root / "final", run))
    assert first == second
    resumed = call("search", "--resume", str(root), "--trials", "5", "--seeds", "1,2", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "one 4:" in resumed.stdout


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (("--set", "search.space.train.lrr=[1.0]"), "did you mean `lr`"),
        (("--storage", "postgresql://me:secret@127.0.0.1:9/x"), "storage can't be reached"),
        (("--storage", "what"), "is not the URL of a storage"),
        (("--resume", "nowhere"), "is not a search folder"),
        (("--seeds", "a"), "seeds are whole numbers"),
    ],
)
def test_a_mistake_is_a_message_and_exit_code_2(
    call: Bench, fake_config: Path, tmp_path: Path, settings: tuple[str, ...], message: str
) -> None:
    config = () if "--resume" in settings else ("-c", str(fake_config), "--set", f"runs={tmp_path / 'runs'}")
    result = call("search", *config, *settings, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert message in result.stderr and "Traceback" not in result.stderr and "secret" not in result.stderr
    assert not (tmp_path / "runs").exists()


def test_a_weight_table_that_does_not_fit_leaves_no_run_folder(
    call: Bench, fake_config: Path, tmp_path: Path
) -> None:
    table = "loss={classification: weighted, class_weights: {nut: 1}}"
    result = call(
        "run", "-c", str(fake_config), "--set", table, "--set", f"runs={tmp_path / 'runs'}", cwd=tmp_path
    )
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert "2 models can't be run" in result.stderr and "no such class: nut" in result.stderr
    assert not (tmp_path / "runs").exists()
