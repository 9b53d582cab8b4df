"""How long a training is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.adapters.training.budget import Elapsed, Length
from bench.recipe import Recipe


def _length(images: int = 14, **settings: Any) -> Length:
    return Length.of(Recipe.model_validate({"batch_size": 4, **settings}), images)


def _epochs(length: Length) -> list[tuple[int, int]]:
    """Steps and pictures of every epoch, as a loop would come to them."""
    elapsed, found = Elapsed(), []
    while not length.over(elapsed):
        steps, images = length.steps_left(elapsed), length.images_left(elapsed)
        found.append((steps, images))
        elapsed = Elapsed(elapsed.epochs + 1, elapsed.steps + steps, elapsed.images + images)
    return found


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"epochs": 2}, [(4, 14), (4, 14)]),
        ({"epochs": 0}, []),
        ({"epochs": 1, "accumulate": 3}, [(2, 14)]),  # 12 and 2 pictures
        ({"budget": {"steps": 6}}, [(4, 14), (2, 8)]),
        ({"budget": {"steps": 8}}, [(4, 14), (4, 14)]),
        ({"budget": {"steps": 3}, "accumulate": 2}, [(2, 14), (1, 8)]),
        ({"budget": {"images": 20}}, [(4, 14), (2, 6)]),
        ({"budget": {"images": 3}}, [(1, 3)]),
    ],
)
def test_the_last_epoch_has_what_is_left(settings: dict[str, Any], expected: list[tuple[int, int]]) -> None:
    length = _length(**settings)
    assert _epochs(length) == expected
    assert length.planned_epochs(Elapsed()) == len(expected)
    assert length.total_steps == sum(steps for steps, _ in expected)


@given(
    measure=st.sampled_from(["steps", "images"]),
    amount=st.integers(1, 200),
    images=st.integers(1, 40),
    batch_size=st.integers(1, 9),
    accumulate=st.integers(1, 4),
)
def test_a_budget_is_used_up_to_the_last_bit(
    measure: str, amount: int, images: int, batch_size: int, accumulate: int
) -> None:
    length = _length(images, budget={measure: amount}, batch_size=batch_size, accumulate=accumulate)
    found = _epochs(length)
    assert sum(steps if measure == "steps" else seen for steps, seen in found) == amount
    assert all(seen == images for _, seen in found[:-1])
    assert sum(steps for steps, _ in found) == length.total_steps
    assert len(found) == length.planned_epochs(Elapsed())


def test_seconds_are_over_when_they_are_used_and_epochs_are_guessed() -> None:
    length = _length(budget={"seconds": 10})
    assert length.total_steps is None
    assert not length.over(Elapsed(3, 12, 42, 9.99))
    assert length.over(Elapsed(4, 13, 46, 10.01))
    assert length.planned_epochs(Elapsed(2, 8, 28, 4.0)) == 5
    assert length.planned_epochs(Elapsed(4, 13, 46, 10.01)) == 4
