import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.adapters.yolo.family import FAMILY
from bench.adapters.yolo.options import AUGMENTATIONS, YoloOptions
from bench.adapters.yolo.settings import device_argument, training_args
from bench.detector import Plan
from bench.errors import BenchError, ConfigError, RecipeError, WeightsError
from bench.recipe import Recipe


def planned(
    *,
    variant: str | None = "tiny",
    weights: str | None = "none",
    options: dict[str, Any] | None = None,
    **settings: Any,
) -> Plan:
    return FAMILY.plan(variant=variant, weights=weights, options=options or {}, recipe=Recipe(**settings))


def entry(plan: Plan, setting: str) -> tuple[str, str]:
    (found,) = [item for item in plan.ledger if item.setting == setting]
    return found.asked, found.used


def test_planning_imports_no_framework() -> None:
    code = (
        "import sys; from bench.adapters.yolo.family import FAMILY; from bench.recipe import Recipe; "
        "FAMILY.plan(variant='tiny', weights=None, options={}, recipe=Recipe()); "
        "print([name for name in ('torch', 'ultralytics', 'cv2') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_the_default_is_n_with_its_published_recipe() -> None:
    plan = planned(variant=None, batch_size=16)
    assert plan.variant == "n"
    recipe = plan.recipe
    assert (recipe.image_size, recipe.optimizer, recipe.momentum) == (640, "sgd", 0.937)
    assert recipe.lr == 0.01  # for every batch: the loss is a sum over its pictures
    assert recipe.backbone_lr == recipe.lr
    assert (recipe.weight_decay, recipe.warmup_epochs, recipe.clip_norm) == (0.0005, 3.0, 10.0)
    assert (recipe.schedule, recipe.ema, recipe.decay_norms) == ("linear", 0.9999, False)
    assert entry(plan, "schedule")[1] == "linear, epoch by epoch from the start"
    assert "mosaic 1" in entry(plan, "augmentation")[1]


@pytest.mark.parametrize("variant", ["n", "tiny"])
def test_nothing_of_a_plan_is_left_open(variant: str) -> None:
    recipe = planned(variant=variant).recipe
    assert [setting for setting in Recipe.model_fields if getattr(recipe, setting) is None] == ["budget"]


def test_a_step_of_many_batches_is_a_large_batch() -> None:
    small = planned(variant="n", batch_size=2, accumulate=16).recipe
    args = training_args(small, planned().options, epochs=9, seed=0, device="cpu")
    assert args["batch"] == args["nbs"] == 2  # ultralytics scales nothing; the trainer accumulates


def test_a_stage_says_what_it_left_to_the_recipe() -> None:
    stages = [{"epochs": 2, "freeze": ["backbone"]}, {"epochs": 3, "lr": 0.01, "schedule": "constant"}]
    plan = planned(stages=stages, lr=0.02, schedule="linear", warmup_epochs=1, backbone_lr=0.002)
    first, second = plan.recipe.stages
    assert (first.lr, first.backbone_lr, first.schedule, first.warmup_epochs) == (0.02, 0.002, "linear", 1)
    assert (second.lr, second.backbone_lr, second.warmup_epochs) == (0.01, pytest.approx(0.001), 0)
    assert plan.recipe.epochs == 5


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_part_that_is_not_there_can_t_be_frozen(part: str) -> None:
    with pytest.raises(RecipeError, match=r"stage 2.*\n.*backbone, all_but_head"):
        planned(stages=[{"epochs": 1}, {"epochs": 1, "freeze": [part]}])


def test_an_average_that_is_asked_for_is_told_as_it_is() -> None:
    plan = planned(ema=0.99)
    assert plan.recipe.ema == 0.99
    asked, used = entry(plan, "checkpoint")
    assert "0.99" in asked
    assert "decay 0.99, rising" in used


def test_a_budget_leaves_no_epochs_and_its_warm_up_as_asked() -> None:
    plan = planned(budget={"seconds": 30}, warmup_epochs=5)
    assert plan.recipe.warmup_epochs == 5
    assert "epochs" not in plan.recipe.model_dump()
    assert entry(plan, "close_mosaic")[1] == "in about the last 10 epochs"


def test_the_short_side_is_told_to_be_left_out() -> None:
    plan = planned(variant="n", image_size="800x1333")
    assert plan.recipe.image_size == 1344
    assert entry(plan, "image_size") == ("800x1333", "1344")


def test_mixed_precision_on_a_cpu_is_told() -> None:
    assert entry(planned(amp=True), "amp") == ("True", "float32 on a CPU")


def test_what_is_asked_for_is_kept() -> None:
    settings = {
        "optimizer": "sgd",
        "lr": 0.02,
        "backbone_lr": 0.0,
        "momentum": 0.5,
        "weight_decay": 0.0,
        "schedule": "step",
        "warmup_epochs": 0.0,
        "clip_norm": 0.0,
        "image_size": 320,
    }
    recipe = planned(**settings).recipe
    assert {setting: getattr(recipe, setting) for setting in settings} == settings


def test_a_size_is_rounded_up_to_the_stride_and_told() -> None:
    plan = planned(image_size=100)
    assert plan.recipe.image_size == 128
    assert entry(plan, "image_size") == ("100", "128")
    assert "image_size" not in {item.setting for item in planned(image_size=96).ledger}


def test_the_last_epoch_is_not_warm_up() -> None:
    plan = planned(epochs=3, warmup_epochs=5)
    assert plan.recipe.warmup_epochs == 2
    assert entry(plan, "warmup_epochs") == ("5.0", "2.0")


def test_workers_on_a_cpu_are_told() -> None:
    assert entry(planned(workers=4), "workers") == ("4", "0 on a CPU")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mosaics": 0.5}, "mosaic"),
        ({"closemosaic": 3}, "close_mosaic"),
        ({"mosaic": 1.5}, "options.mosaic"),
        ({"iou": "wide"}, "options.iou"),
        ({"mosaics": 1, "hsv": 2}, "2 problems"),
        ({"copy_paste": 0.5}, "copy_paste pastes objects by their outlines"),
        ({"erasing": 0.4}, "erasing is for classification"),
        ({"augment": "none", "mixup": 0.1, "degrees": 5}, "mixup, degrees off"),
        ({"augment": "some"}, "options.augment"),
    ],
)
def test_a_wrong_option_is_named_with_a_guess(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        planned(options=options)


def test_the_options_are_ultralytics_defaults() -> None:
    from importlib.util import find_spec

    import yaml

    spec = find_spec("ultralytics")  # does not import it
    assert spec is not None and spec.origin is not None
    text = (Path(spec.origin).parent / "cfg" / "default.yaml").read_text(encoding="utf-8")
    theirs = yaml.safe_load(text)
    ours = YoloOptions().model_dump()
    own = {"augment", "albumentations", "erasing", "multi_label", "auto_optimizer", "warmup_bias_lr"}
    assert {setting: value for setting, value in ours.items() if setting not in own} == {
        setting: theirs[setting] for setting in ours if setting not in own
    }


def test_augment_none_leaves_the_recipe_s_flip_alone() -> None:
    plan = planned(options={"augment": "none"}, flip=0.3)
    assert not [setting for setting in AUGMENTATIONS if plan.options[setting]]
    assert plan.options["close_mosaic"] == 0
    assert training_args(plan.recipe, plan.options, epochs=9, seed=0, device="cpu")["fliplr"] == 0.3
    assert "augmentation" not in {item.setting for item in plan.ledger}
    again = planned(options=dict(plan.options))
    assert again.options == plan.options


def test_one_augmentation_goes_by_name() -> None:
    plan = planned(options={"mosaic": 0, "cutmix": 0.5})
    assert (plan.options["mosaic"], plan.options["cutmix"], plan.options["hsv_s"]) == (0, 0.5, 0.7)
    told = entry(plan, "augmentation")[1]
    assert "cutmix 0.5" in told
    assert "mosaic 0" not in told


def test_figures_do_not_depend_on_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.adapters.yolo.options.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install albumentations"):
        planned(options={"albumentations": True})
    monkeypatch.setattr("bench.adapters.yolo.options.find_spec", lambda name: object())
    for asked in (True, False):
        plan = planned(options={"albumentations": asked})
        args = training_args(plan.recipe, plan.options, epochs=9, seed=0, device="cpu")
        assert args.get("augmentations") == (None if asked else [])


def test_auto_optimizer_and_a_rate_contradict_each_other() -> None:
    with pytest.raises(RecipeError, match=r"train\.lr"):
        planned(options={"auto_optimizer": True}, lr=0.1)
    with pytest.raises(RecipeError, match="stage 1, lr"):
        planned(options={"auto_optimizer": True}, stages=[{"epochs": 1, "lr": 0.1}])
    plan = planned(options={"auto_optimizer": True})
    assert (plan.recipe.optimizer, plan.recipe.lr) == (None, None)
    args = training_args(plan.recipe, plan.options, epochs=9, seed=0, device="cpu")
    assert args["optimizer"] == "auto"
    assert "lr0" not in args


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"variant": "tine"}, "did you mean 'tiny'"),
        ({"variant": "missing.yaml"}, "no such file"),
        ({"variant": "missing.pt"}, "no such file"),
        ({"weights": "missing.pt"}, "no such file"),
        ({"weights": "pretrained"}, "there are no published weights"),
    ],
)
def test_a_variant_or_file_that_is_not_there(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BenchError, match=message):
        planned(**given)


def test_a_file_that_is_no_checkpoint_is_refused_while_planning(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"\x80\x04K\x01.")
    for given in (
        {"variant": "n"},
        {"variant": None},
        {"variant": str(tmp_path / "weights.pt"), "weights": None},
    ):
        with pytest.raises(WeightsError, match=r"weights\.pt"):
            planned(**{"weights": str(tmp_path / "weights.pt"), **given})


def test_the_words_that_ultralytics_gets() -> None:
    plan = planned(batch_size=24, flip=0.25, multi_scale=0.25, workers=2, optimizer="sgd", epochs=30)
    args = training_args(plan.recipe, plan.options, epochs=30, seed=7, device="cuda:1")
    assert args["batch"] == args["nbs"] == 24
    assert (args["optimizer"], args["warmup_bias_lr"], args["patience"]) == ("SGD", 0.1, 0)
    assert (args["fliplr"], args["multi_scale"], args["workers"]) == (0.25, 0.25, 2)
    assert (args["seed"], args["device"], args["cos_lr"], args["lrf"]) == (7, "1", True, 0.01)
    assert not {"multi_label", "auto_optimizer"} & args.keys()
    assert (args["compile"], args["channels_last"]) == (False, False)
    fast = planned(compile=True, channels_last=True)
    args = training_args(fast.recipe, fast.options, epochs=9, seed=0, device="cuda:0")
    assert (args["compile"], args["channels_last"]) == (True, True)
    constant = planned(schedule="constant")
    assert training_args(constant.recipe, constant.options, epochs=9, seed=0, device="cpu")["lrf"] == 1.0


@pytest.mark.parametrize(("device", "setting"), [("cpu", "cpu"), ("cuda", "0"), ("cuda:2", "2")])
def test_devices(device: str, setting: str) -> None:
    assert device_argument(device) == setting


def test_the_weights_of_the_losses_are_the_options() -> None:
    plan = planned(loss={"class_coefficient": 2.0, "iou_coefficient": 0.0}, options={"dfl": 3.0})
    assert (plan.options["cls"], plan.options["box"], plan.options["dfl"]) == (2.0, 0.0, 3.0)
    assert planned(loss={"class_coefficient": 2.0}, options={"cls": 2.0}).options["cls"] == 2.0
    own = planned(options={"box": 6.0}).recipe.loss
    assert (own.class_coefficient, own.iou_coefficient) == (0.5, 6.0) and not own.changes_classification


@pytest.mark.parametrize(
    ("loss", "options", "said"),
    [
        ({"class_coefficient": 2.0}, {"cls": 1.0}, "loss.class_coefficient: options.cls is 1.0"),
        ({"iou_coefficient": 2.0}, {"box": 1.0}, "loss.iou_coefficient: options.box is 1.0"),
        ({"label_smoothing": 0.1}, {}, "loss.label_smoothing: YOLO's targets are soft already"),
        ({"l1_coefficient": 1.0}, {}, "loss.l1_coefficient: YOLO has no L1 loss"),
        ({"class_cost": 1.0}, {}, "loss.class_cost: YOLO matches by its own rule"),
        ({"l1_cost": 1.0}, {}, "loss.l1_cost: YOLO matches by its own rule"),
        ({"iou_cost": 1.0}, {}, "loss.iou_cost: YOLO matches by its own rule"),
        (
            {"classification": "weighted_focal"},
            {"cls_pw": 0.5},
            "options.cls_pw: loss.classification: weighted_focal weighs the classes, too",
        ),
    ],
)
def test_a_loss_that_yolo_does_not_have_is_refused(
    loss: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(BenchError) as caught:
        planned(loss=loss, options=options)
    assert said in str(caught.value)


def test_every_classification_is_planned() -> None:
    for classification in ("standard", "weighted", "focal", "weighted_focal"):
        assert planned(loss={"classification": classification}).recipe.loss.classification == classification
    assert planned(loss={"classification": "focal"}, options={"cls_pw": 0.5}).options["cls_pw"] == 0.5
