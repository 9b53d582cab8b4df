"""Rules that a recipe must keep on given data and devices."""

import pytest

from bench.errors import RecipeError
from bench.feasibility import check_batch, check_number_format, check_shares
from bench.recipe import Recipe


def test_a_step_must_fit_the_train_split() -> None:
    check_batch(Recipe(batch_size=4, accumulate=3), 12)
    check_batch(Recipe(batch_size="auto", accumulate=12), 12)
    with pytest.raises(RecipeError, match=r"train\.batch_size: the train split has 3 .*found: 4"):
        check_batch(Recipe(batch_size=4), 3)
    with pytest.raises(RecipeError, match=r"batch_size x train\.accumulate: .*found: 12"):
        check_batch(Recipe(batch_size=4, accumulate=3), 11)
    with pytest.raises(RecipeError, match="found: 12"):
        check_batch(Recipe(batch_size="auto", accumulate=12), 11)


def test_devices_share_a_batch_evenly() -> None:
    check_shares(Recipe(batch_size=6), 3)
    check_shares(Recipe(batch_size="auto"), 1)
    with pytest.raises(RecipeError, match=r"4 devices can't share a batch evenly.*found: 6.*\n.*use 4"):
        check_shares(Recipe(batch_size=6), 4)
    with pytest.raises(RecipeError, match="for one device, not for 2"):
        check_shares(Recipe(batch_size="auto"), 2)


def test_float16_needs_a_gpu() -> None:
    check_number_format(Recipe(amp="fp16"), "cuda:1")
    check_number_format(Recipe(amp="bf16"), "cpu")
    with pytest.raises(RecipeError, match="cpu does not train in this number format"):
        check_number_format(Recipe(amp="fp16"), "cpu")
