import pytest

from bench.config import BenchConfig
from bench.errors import ConfigError, RecipeError
from bench.runner import plan
from bench.runner.plan import plan_cells


def test_random_weights_are_not_judged_without_a_training() -> None:
    settings = {"data": {"source": "synthetic"}, "models": ["fake"], "train": {"epochs": 0}}
    with pytest.raises(RecipeError, match=r"model fake: .*random ones know nothing"):
        plan_cells(BenchConfig.model_validate(settings))
    settings["train"] = {"epochs": 1}
    assert len(plan_cells(BenchConfig.model_validate(settings))) == 1


@pytest.mark.parametrize(
    ("device", "there", "refused"),
    [
        ("cuda", 0, True),
        ("cuda:1", 1, True),
        ("cuda:0", 1, False),
        ("auto", None, False),
        ("cpu", None, False),
    ],
)
def test_a_gpu_that_is_asked_for_must_be_there(
    monkeypatch: pytest.MonkeyPatch, device: str, there: int | None, refused: bool
) -> None:
    def count() -> int:
        assert there is not None, "nobody asked for a GPU: torch stays out of it"
        return there

    monkeypatch.setattr(plan, "count_gpus_apart", count)
    config = BenchConfig.model_validate(
        {"data": {"source": "synthetic"}, "models": ["fake"], "device": device}
    )
    if refused:
        with pytest.raises(ConfigError, match="device: torch sees"):
            plan_cells(config)
    else:
        assert plan_cells(config)


def test_several_devices_are_for_families_that_can_and_batches_that_split() -> None:
    settings = {"data": {"source": "synthetic"}, "device": "cpu:2", "models": ["fake"]}
    with pytest.raises(ConfigError, match="model fake: device: fake trains on one device"):
        plan_cells(BenchConfig.model_validate(settings))
    settings["models"] = [{"family": "frcnn", "variant": "tiny", "weights": "none"}]
    settings["train"] = {"batch_size": 5}
    with pytest.raises(RecipeError, match=r"train\.batch_size: 2 devices can't share"):
        plan_cells(BenchConfig.model_validate(settings))
    settings["train"] = {"batch_size": 6}
    (cell,) = plan_cells(BenchConfig.model_validate(settings))
    told = {entry.setting: entry.used for entry in cell.plan.ledger}
    assert told["batch_size"] == "3 on each of 2 devices"
