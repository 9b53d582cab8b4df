"""Where a run folder goes, and what is refused before there is one."""

from pathlib import Path
from typing import Any

import pytest

from bench import files
from bench.config import BenchConfig
from bench.errors import ConfigError
from bench.layout import Layout
from bench.runner import create
from bench.runner.plan import plan_cells


def config(runs: Path, **settings: Any) -> BenchConfig:
    return BenchConfig.model_validate(
        {"data": {"source": "synthetic"}, "models": ["fake"], "runs": runs, **settings}
    )


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Of two classes in train, nine boxes and one; val has the frequent one alone."""
    classes = ("many", "few")
    for split, labels in (("train", [1] * 9 + [2]), ("val", [1]), ("test", [1, 2])):
        boxes = [{"category_id": label, "iscrowd": 0} for label in labels]
        files.write_json(tmp_path / "layout/annotations" / f"{split}.json", {"annotations": boxes})
    return Layout(tmp_path / "layout", classes)


def test_the_rarest_of_train_are_rare_unless_others_are_named(layout: Layout, tmp_path: Path) -> None:
    asked = config(tmp_path)
    assert create.resolve_rare_classes(asked, layout, wanted_by=None) == ("few",)
    asked = config(tmp_path, rare_classes=["many"])
    assert create.resolve_rare_classes(asked, layout, wanted_by=None) == ("many",)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rare_classes": ["fwe"]}, "rare_classes: is no class of the dataset; its classes: many, few"),
        ({"train": {"monitor": "AP_rare"}}, "the val split has no box of a rare class"),
    ],
)
def test_rare_classes_that_can_t_be_told_of_are_refused_before_a_folder_is_made(
    layout: Layout, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    asked = config(tmp_path / "runs", **settings)
    with pytest.raises(ConfigError, match=told) as caught:
        create.create_run(asked, plan_cells(asked), layout, command="bench run")
    assert caught.value.exit_code == 2
    assert not (tmp_path / "runs").exists()


def test_patience_may_watch_rare_classes_that_val_has(layout: Layout, tmp_path: Path) -> None:
    asked = config(tmp_path, rare_classes=["many"])
    assert create.resolve_rare_classes(asked, layout, wanted_by="train.monitor") == ("many",)


def test_runs_of_one_second_get_names_of_their_own(tmp_path: Path) -> None:
    names = set()
    for number in range(3):
        (tmp_path / "draft").mkdir()
        (tmp_path / "draft" / str(number)).touch()
        names.add(create.place(tmp_path / "draft", "bench"))
    assert len(names) == 3 and set(tmp_path.iterdir()) == names
    assert sorted(file.name for path in names for file in path.iterdir()) == ["0", "1", "2"]


def test_a_run_that_can_t_be_written_is_not_left_behind(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError

    monkeypatch.setattr(create, "data_key", lambda layout: "key")
    monkeypatch.setattr(create, "_copy_data", fail)
    asked = config(tmp_path / "runs")
    with pytest.raises(KeyError):
        create.create_run(asked, plan_cells(asked), layout, command="bench run")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_folder_that_can_t_be_made_is_no_name_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        create.place(tmp_path / "gone" / "draft", "bench")
