"""The best settings of a search as the terminal prints them."""

from types import SimpleNamespace
from typing import Any

from bench.cli.tables import best_settings


def test_a_model_has_its_best_trial_and_how_many_trials_ended_in_each_way() -> None:
    def trial(number: int, state: str, **values: float) -> Any:
        return SimpleNamespace(number=number, state=state, values=values or None, setting={"lr": 0.01})

    trials = [
        trial(0, "complete", AP=0.4),
        trial(1, "complete", AP=0.5),
        *(trial(number, "pruned") for number in (2, 3, 4)),
        trial(5, "failed"),
    ]
    study = SimpleNamespace(model="detr", best=1, pareto=(), trials=trials)
    shown: Any = SimpleNamespace(objectives=("AP",), studies=(study,))
    table = best_settings(shown)
    assert str(table.columns[-1].header) == "complete/pruned/failed"
    assert [[str(cell) for cell in column.cells] for column in table.columns] == [
        ["detr"],
        ["1"],
        ["0.5"],
        ["lr 0.01"],
        ["2/3/1"],
    ]
