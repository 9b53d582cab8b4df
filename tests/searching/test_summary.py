"""Which trial of a study is the best."""

import optuna
import pytest
from optuna.trial import create_trial

from bench.searching.summary import best_trial


@pytest.mark.parametrize(
    ("direction", "values", "best"),
    [
        ("maximize", (0.2, 0.5, 0.5, 0.1), 1),  # the earliest of equals
        ("minimize", (9.0, 3.0, 7.0, 3.0), 1),
    ],
)
def test_the_best_is_the_earliest_of_the_best_in_the_objective_s_direction(
    direction: str, values: tuple[float, ...], best: int
) -> None:
    study = optuna.create_study(direction=direction)
    study.add_trials([create_trial(value=value) for value in values])
    found = best_trial(study)
    assert found is not None and found.number == best
    assert best_trial(optuna.create_study(direction=direction)) is None


@pytest.mark.parametrize(
    ("first", "values", "best"),
    [("maximize", ((0.2, 5.0), (0.5, 9.0)), 1), ("minimize", ((0.5, 5.0), (0.2, 9.0)), 1)],
)
def test_of_a_pareto_set_the_first_objective_decides(
    first: str, values: tuple[tuple[float, float], ...], best: int
) -> None:
    study = optuna.create_study(directions=[first, "minimize"])
    study.add_trials([create_trial(values=pair) for pair in values])
    assert len(study.best_trials) == 2
    found = best_trial(study)
    assert found is not None and found.number == best
