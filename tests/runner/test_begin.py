"""Where a run folder goes."""

from pathlib import Path

import pytest

from bench.config import BenchConfig
from bench.runner import begin


def config(runs: Path) -> BenchConfig:
    return BenchConfig.model_validate({"data": {"source": "synthetic"}, "models": ["fake"], "runs": runs})


def test_runs_of_one_second_get_names_of_their_own(tmp_path: Path) -> None:
    names = set()
    for number in range(3):
        draft = tmp_path / f".new-{number}"
        draft.mkdir()
        names.add(begin._place(draft, config(tmp_path)))
    assert len(names) == 3 and all(path.is_dir() for path in names)


def test_a_folder_that_can_t_be_made_is_no_name_that_is_taken(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        begin._place(tmp_path, config(tmp_path / "gone"))
