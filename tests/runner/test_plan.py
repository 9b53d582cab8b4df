import pytest

from bench.config import BenchConfig
from bench.errors import RecipeError
from bench.runner.plan import plan_cells


def test_random_weights_are_not_judged_without_a_training() -> None:
    words = {"data": {"source": "synthetic"}, "models": ["fake"], "train": {"epochs": 0}}
    with pytest.raises(RecipeError, match=r"model fake: .*random ones know nothing"):
        plan_cells(BenchConfig.model_validate(words))
    words["train"] = {"epochs": 1}
    assert len(plan_cells(BenchConfig.model_validate(words))) == 1
