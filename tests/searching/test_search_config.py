"""The words of a space: what is refused, what depends on what, and what a setting makes of a model."""

from dataclasses import replace
from typing import Any

import optuna
import pytest

from bench.config import check
from bench.errors import ConfigError
from bench.search_config import DEFAULT_SPACE, Categorical, Range, SearchConfig, parameter
from bench.searching.plan import check_seeds, check_space, plan_search
from bench.searching.setting import Batching, config_with_setting, final_config
from bench.searching.space import Space, space_of


def tree(**words: Any) -> dict[str, Any]:
    model = {"family": "fake", "name": "one"}
    return {"data": {"source": "synthetic"}, "models": [model], **words}


def space(words: dict[str, Any]) -> Space:
    return space_of("one", SearchConfig(space=words).parameters, ["one", "two"])


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (3, "should be a list of values"),
        ([], "one value or more"),
        (["a", "a"], "the same value twice"),
        ({"low": 1}, "has no `high`"),
        ({"low": 2, "high": 1}, r"low is above high \(2 > 1\)"),
        ({"low": 0, "high": 1, "log": True}, "needs low above 0"),
        ({"low": -1.0, "high": 1, "log": True}, "needs low above 0"),
        ({"low": "x", "high": 1}, "low should be a number; found 'x'"),
        ({"low": float("nan"), "high": 1}, "should be a number"),
        ({"low": 1, "high": 4, "step": 0}, "above 0"),
        ({"low": 1, "high": 4, "step": 0.5}, "integers"),
        ({"low": 1, "high": 4, "step": 1, "log": True}, "exclude each other"),
        ({"low": 320, "high": 700, "step": 64}, r"steps of 64 from 320 do not lead to high \(700\)"),
        ({"low": 0.1, "high": 0.2, "step": 0.5}, "do not lead to high"),
        ({"low": 1, "high": 4, "wen": {}}, "unknown key 'wen'"),
        ({"choices": ["a"], "low": 1}, "unknown key 'low'"),
        ({"low": 1, "high": 2, "when": 3}, "`when` should hold settings"),
    ],
)
def test_what_no_word_can_be(raw: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parameter(raw)


def test_all_problems_of_a_space_are_told_together() -> None:
    words = {"train.lr": {"low": 2, "high": 1}, "loss": {"focal_gamma": 3}}
    with pytest.raises(ConfigError) as caught:
        check(tree(search={"space": words}), "it")
    assert "train.lr: low is above high" in str(caught.value)
    assert "loss.focal_gamma: should be a list" in str(caught.value)
    with pytest.raises(ConfigError, match="did you mean 'AP_rare'"):
        check(tree(search={"objectives": ["AP_rae"]}), "it")
    with pytest.raises(ConfigError, match=r"search\.objectives: should not be empty"):
        check(tree(search={"objectives": []}), "it")
    with pytest.raises(ConfigError, match="did you mean `trials`"):
        check(tree(search={"trial": 3}), "it")
    with pytest.raises(ConfigError, match="with two objectives"):
        check(tree(search={"objectives": ["AP", "AP50"], "pruner": "median"}), "it")


def test_yaml_s_numbers_without_a_dot_are_numbers() -> None:
    assert parameter({"low": "1e-5", "high": "1e-3", "log": True}) == Range(1e-5, 1e-3, None, True)
    assert parameter({"low": 4, "high": 8}).whole  # type: ignore[union-attr]
    assert not parameter({"low": 4, "high": 8.0}).whole  # type: ignore[union-attr]


def test_the_first_trial_takes_of_the_config_what_could_be_drawn() -> None:
    of = space(
        {
            "train.image_size": {"low": 320, "high": 640, "step": 64},
            "train.ema": {"low": 0.1, "high": 0.7, "step": 0.2},
        }
    )
    assert of.labels({"train.image_size": 384, "train.ema": 0.3}) == {
        "train.image_size": 384,
        "train.ema": 0.3,
    }
    assert of.labels({"train.image_size": 400, "train.ema": 0.8}) == {}


def test_nested_words_are_the_dotted_ones() -> None:
    nested = SearchConfig(
        space={"train": {"lr": {"low": 1, "high": 2}}, "loss": {"classification": ["focal"]}}
    )
    dotted = SearchConfig(
        space={"train.lr": {"low": 1, "high": 2}, "loss.classification": {"choices": ["focal"]}}
    )
    assert nested.parameters == dotted.parameters


def drawn(of: Space, count: int = 60) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [of.suggest(study.ask()) for _ in range(count)]


def test_of_the_loss_switch_only_what_has_a_meaning_is_drawn() -> None:
    """Each drawn setting is words that bench.loss takes: it refuses those without effect."""
    config = check(tree(), "it")
    seen = set()
    for setting in drawn(space(dict(DEFAULT_SPACE))):
        focal = setting["loss.classification"] in ("focal", "weighted_focal")
        weighted = setting["loss.classification"] in ("weighted", "weighted_focal")
        assert ("loss.focal_gamma" in setting, "loss.focal_alpha" in setting) == (focal, focal)
        assert ("loss.class_weights" in setting) == weighted
        config_with_setting(config, "one", setting)
        seen.add(setting["loss.classification"])
    assert seen == {"standard", "weighted", "focal", "weighted_focal"}


def test_what_is_said_goes_before_what_is_implied_and_order_does_not_matter() -> None:
    words = {
        "loss.focal_gamma": {"low": 1, "high": 2, "when": {"train.ema": 0.9}},
        "train.ema": {"choices": [0.9, 0.99], "when": {"loss.classification": "focal"}},
        "loss.classification": ["focal", "standard"],
    }
    seen = {tuple(sorted(setting)) for setting in drawn(space(words))}
    assert seen == {
        ("loss.classification",),
        ("loss.classification", "train.ema"),
        ("loss.classification", "loss.focal_gamma", "train.ema"),
    }


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"train.lr": {"choices": [1], "when": {"train.ema": 0.9}}}, "which is not in the space"),
        (
            {"train.lr": {"choices": [1], "when": {"train.ema": 0.8}}, "train.ema": [0.9]},
            "names a value of train.ema that is not in the space",
        ),
        (
            {"a": {"choices": [1], "when": {"b": 1}}, "b": {"choices": [1], "when": {"a": 1}}},
            "depend on each other: a, b",
        ),
        ({"models.ona.train.lr": [1.0]}, "did you mean 'one'"),
    ],
)
def test_a_condition_or_a_model_that_is_not_there(words: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space(words)


def test_a_model_s_own_word_goes_before_the_common_one() -> None:
    words = {
        "train.lr": [1.0],
        "models.one.train.lr": [2.0],
        "models.two.options.x": [1],
        "models.yolo.a": [1],
    }
    assert space(words).parameters == {"train.lr": Categorical((2.0,))}


def test_corners_hold_every_choice_and_both_ends() -> None:
    corners = list(
        space(
            {"loss.classification": ["standard", "focal"], "loss.focal_gamma": {"low": 1, "high": 3}}
        ).corners()
    )
    assert corners == [
        {"loss.classification": "standard"},
        {"loss.classification": "focal", "loss.focal_gamma": 1},
        {"loss.classification": "focal", "loss.focal_gamma": 3},
    ]


def test_a_table_can_be_a_choice() -> None:
    table = {"nut": 2.0, "bolt": 1.0}
    words = {"loss.classification": ["weighted"], "loss.class_weights": ["hard", table]}
    found = [setting["loss.class_weights"] for setting in drawn(space(words), 20)]
    assert "hard" in found and table in found


@pytest.mark.parametrize(
    ("batch", "halved"),
    [
        (Batching(16, 1), Batching(8, 2)),
        (Batching(6, 1), Batching(3, 2)),
        (Batching(5, 1), Batching(1, 5)),
        (Batching(5, 2), Batching(2, 5)),
        (Batching(1, 8), None),
    ],
)
def test_half_a_batch_keeps_the_step(batch: Batching, halved: Batching | None) -> None:
    assert batch.halved() == halved


def test_a_final_run_that_could_not_be_is_told_before_the_trials() -> None:
    model = {"family": "detr", "variant": "tiny", "options": {"focal": "sigmoid"}}
    searched = {"space": {"loss.focal_gamma": [1.0, 2.0]}}
    words = tree(models=[model], loss={"classification": "focal"}, search=searched)
    with pytest.raises(
        ConfigError, match=r"can't be compared with .* standard\n.*options.focal: does not go"
    ):
        check_space(plan_search(check(words, "it")))
    when = {"loss.classification": ["focal"]}
    searched["space"] |= {
        "loss.classification": ["standard", "focal"],
        "options.focal": {"choices": ["softmax", "sigmoid"], "when": when},
    }
    assert check_space(plan_search(check({**words, "models": [{**model, "options": {}}]}, "it")))


def test_studies_of_other_weights_are_others() -> None:
    planned = plan_search(check(tree(), "it"))
    assert "weights" not in planned.identity("one", "data")
    pretrained = replace(planned, plans={"one": replace(planned.plans["one"], weights="/here/alone/it.pt")})
    assert pretrained.identity("one", "data")["weights"] == "pretrained"


def test_studies_of_the_rare_classes_are_of_those_that_are_named() -> None:
    for objective, found in (("AP", None), ("AP_rare", ["nut"])):
        words = tree(search={"objectives": [objective]}, rare_classes=["nut"])
        assert plan_search(check(words, "it")).identity("one", "data").get("rare classes") == found


def test_best_and_standard_differ_in_the_setting_alone() -> None:
    loss = {"classification": "focal", "focal_gamma": 3.0, "background_weight": 0.2}
    config = check(tree(loss=loss, train={"lr": 0.3, "batch_size": 8}), "it")
    setting = {"loss.classification": "weighted", "loss.class_weights": "hard", "train.lr": 0.1}
    final = final_config(config, {"one": (setting, Batching(4, 2))}, (5, 6))
    standard, best = (model.recipe(final.train, final.loss) for model in final.models)
    assert [model.name for model in final.models] == ["one-standard", "one-best"]
    assert final.seeds == (5, 6) and final.search is None
    assert (standard.loss.classification, standard.loss.focal_gamma, standard.lr) == ("standard", None, 0.3)
    assert (best.loss.classification, best.loss.class_weights, best.lr) == ("weighted", "hard", 0.1)
    assert standard.loss.background_weight == best.loss.background_weight == 0.2
    assert {(r.batch_size, r.accumulate) for r in (standard, best)} == {(4, 2)}


def test_final_seeds_are_fresh_and_the_default_space_holds_each_model_s_learning_rate() -> None:
    planned = plan_search(check(tree() | {"seeds": [1, 5]}, "it"))
    assert planned.final_seeds == (0, 2, 3)
    check_seeds(planned)
    own = planned.plans["one"].recipe.lr
    assert own is not None
    rate = planned.spaces["one"].parameters["train.lr"]
    assert isinstance(rate, Range) and rate.log
    assert (rate.low, rate.high) == (own / 4, own * 4)
    asked = {"space": {"loss.focal_gamma": [1, 2]}, "seeds": [4, 1]}
    named = plan_search(check(tree() | {"seeds": [1], "search": asked}, "it"))
    assert "train.lr" not in named.spaces["one"].parameters
    with pytest.raises(ConfigError, match="the trials train with seed 1"):
        check_seeds(named)


def test_the_default_space_leaves_out_what_a_model_cannot_follow() -> None:
    models = [{"family": name, "variant": "tiny", "weights": "none"} for name in ("detr", "rt_detr", "dino")]
    planned = plan_search(check(tree(models=models), "it"))
    spaces = {name: set(found.parameters) for name, found in planned.spaces.items()}
    rest = {"loss.class_coefficient", "train.lr"}
    assert spaces == {"detr": {*DEFAULT_SPACE, "train.lr"}, "rt_detr": rest, "dino": rest}
    assert check_space(planned)
    alone = plan_search(check(tree(models=models[:1]), "it"))
    assert set(DEFAULT_SPACE) < set(alone.search.space)  # as before, where every model follows
