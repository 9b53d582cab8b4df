import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.adapters.yolo.family import FAMILY
from bench.boxes import area
from bench.detector import MAX_DETECTIONS, SCORE_FLOOR, Detections, Detector, FitContext, Plan
from bench.errors import DataError, WeightsError
from bench.layout import Example, Layout
from bench.recipe import Recipe

pytestmark = pytest.mark.slow

EPOCHS = 34
OPTIONS = {"mosaic": 0.0, "scale": 0.2, "hsv_h": 0.0, "hsv_s": 0.2}


def planned(**given: Any) -> Plan:
    recipe = Recipe(epochs=EPOCHS, batch_size=8, image_size=96, lr=0.01, val_every=EPOCHS // 2)
    return FAMILY.plan(
        **{"variant": "tiny", "weights": "none", "options": OPTIONS, "recipe": recipe, **given}
    )


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the training leaves what it leaves."""
    return tmp_path_factory.mktemp("fit")


@pytest.fixture(scope="module")
def trained(yolo_scenes: Layout, workdir: Path) -> tuple[Detector, list[Sequence[Detections]]]:
    """A detector that knows the scenes, and what its validations found."""
    judged: list[Sequence[Detections]] = []

    def score(found: Sequence[Detections]) -> dict[str, float]:
        judged.append(found)
        return {"AP": float(len(judged)), "AP50": 0.0}

    plan = planned()
    detector = FAMILY.build(plan, classes=yolo_scenes.classes, seed=0, device="cpu")
    context = FitContext(workdir, 0, "cpu", score_val=score, on_epoch=lambda record: False)
    assert detector.fit(yolo_scenes, plan.recipe, context).best_epoch == EPOCHS
    return detector, judged


@pytest.fixture(scope="module")
def saved(trained: tuple[Detector, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "yolo"
    trained[0].save(folder)
    return folder


def coloured(layout: Layout) -> list[Example]:
    """Those that show something and are not grey."""
    return [e for e in layout.examples("train") if len(e.labels) and e.image_id % 4 and not e.crowd.any()]


def iou(one: np.ndarray, other: np.ndarray) -> float:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    common = np.clip(high - low, 0, None).prod()
    return float(common / (area(one)[0] + area(other)[0] - common))


def test_boxes_are_pixels_of_the_original_picture(yolo_scenes: Layout, trained: tuple[Detector, Any]) -> None:
    examples = coloured(yolo_scenes)
    found = list(trained[0].predict([e.path for e in examples], batch_size=4))
    right = [
        any(
            iou(d.boxes_xyxy[0], box) > 0.6 and d.labels[0] == label
            for box, label in zip(e.boxes_xyxy, e.labels, strict=True)
        )
        for e, d in zip(examples, found, strict=True)
    ]
    assert np.mean(right) > 0.8
    for example, detections in zip(examples, found, strict=True):
        assert len(detections.scores) <= MAX_DETECTIONS
        assert detections.scores.min() >= SCORE_FLOOR
        assert (np.diff(detections.scores) <= 0).all()
        assert (detections.boxes_xyxy[:, 2:] <= example.size_wh).all()


def test_a_picture_s_detections_do_not_depend_on_its_batch(
    yolo_scenes: Layout, trained: tuple[Detector, Any]
) -> None:
    images = [e.path for e in yolo_scenes.examples("train")]
    alone = list(trained[0].predict(images, batch_size=1))
    together = list(trained[0].predict(images, batch_size=9))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
        np.testing.assert_allclose(one.boxes_xyxy[:3], other.boxes_xyxy[:3], atol=0.01)


def test_pictures_are_read_as_they_are_needed(
    yolo_scenes: Layout, trained: tuple[Detector, Any], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = trained[0].predict([yolo_scenes.examples("val")[0].path, tmp_path / "broken.png"])
    assert isinstance(next(found), Detections)
    with pytest.raises(DataError, match=r"broken\.png"):
        next(found)


def test_the_validation_judged_what_predict_finds_later(
    yolo_scenes: Layout, trained: tuple[Detector, list[Sequence[Detections]]]
) -> None:
    detector, judged = trained
    found = list(detector.predict([e.path for e in yolo_scenes.examples("val")], batch_size=8))
    assert len(judged) == 2
    for then, now in zip(judged[-1], found, strict=True):
        if then.scores[0] > 0.3:
            np.testing.assert_allclose(then.scores[0], now.scores[0], atol=0.05)
            np.testing.assert_allclose(then.boxes_xyxy[0], now.boxes_xyxy[0], atol=1.0)


def test_what_is_saved_is_what_is_loaded(
    yolo_scenes: Layout, trained: tuple[Detector, Any], saved: Path
) -> None:
    loaded = FAMILY.load(saved, device="cpu")
    assert loaded.describe() == trained[0].describe()
    images = [e.path for e in yolo_scenes.examples("test")]
    for one, other in zip(trained[0].predict(images), loaded.predict(images), strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        np.testing.assert_array_equal(one.scores, other.scores)


PLAIN_ULTRALYTICS = """
import sys
from ultralytics import YOLO
image, *files = sys.argv[1:]
for file in files:
    model = YOLO(file)
    result = model.predict(image, conf=0.001, iou=0.7, imgsz=96, verbose=False)[0]
    assert model.names == {0: "brick", 1: "leaf"}, model.names
    print("BOX", *result.boxes.xyxy[0].tolist(), result.boxes.conf[0].item())
assert not [name for name in sys.modules if name == "bench" or name.startswith("bench.")]
"""


def test_plain_ultralytics_loads_it_and_finds_the_same(
    yolo_scenes: Layout, trained: tuple[Detector, Any], saved: Path, workdir: Path, tmp_path: Path
) -> None:
    """The best checkpoint and the last, which here is of the same epoch."""
    image = coloured(yolo_scenes)[0].path
    ours = next(trained[0].predict([image]))
    plain = subprocess.run(
        [
            sys.executable,
            "-c",
            PLAIN_ULTRALYTICS,
            str(image),
            str(saved / "best.pt"),
            str(workdir / "last.pt"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if name != "ULTRALYTICS_SAFE_LOAD"},
            "YOLO_CONFIG_DIR": str(tmp_path),
            "YOLO_OFFLINE": "1",
            "YOLO_AUTOINSTALL": "0",
        },
        timeout=120,
    )
    assert plain.returncode == 0, plain.stderr
    printed = [line.split()[1:] for line in plain.stdout.splitlines() if line.startswith("BOX ")]
    assert len(printed) == 2
    for numbers in printed:
        expected = [*ours.boxes_xyxy[0], ours.scores[0]]
        np.testing.assert_allclose([float(one) for one in numbers], expected, rtol=1e-4, atol=1e-3)


class Mischief:
    def __reduce__(self) -> Any:
        return (os.mkdir, (self.place,))  # type: ignore[attr-defined]


def test_a_foreign_pickle_is_refused_and_not_run(saved: Path, tmp_path: Path) -> None:
    import torch

    mischief = Mischief()
    mischief.place = str(tmp_path / "harm")  # type: ignore[attr-defined]
    foreign = tmp_path / "yolo"
    shutil.copytree(saved, foreign)
    torch.save({"model": mischief}, foreign / "best.pt", pickle_module=pickle)
    with pytest.raises(WeightsError, match="foreign code"):
        FAMILY.load(foreign, device="cpu")
    with pytest.raises(WeightsError, match="foreign code"):
        planned(variant=None, weights=str(foreign / "best.pt"))
    assert not (tmp_path / "harm").exists()


def test_weights_of_a_file_with_other_classes(saved: Path) -> None:
    plan = planned(variant=None, weights=str(saved / "best.pt"))
    detector = FAMILY.build(plan, classes=["leaf", "brick", "moss"], seed=0, device="cpu")
    description = detector.describe()
    assert description.variant == "best"
    assert description.weights_sha256 is not None
    new = 2 * 2  # weight and bias of the last convolution, on two levels
    total = len(detector.model.state_dict())  # type: ignore[attr-defined]
    assert f"{total - new} of {total} tensors carried over" in description.pretrained_on

    with pytest.raises(WeightsError, match="does not fit variant n"):
        other = planned(variant="n", weights=str(saved / "best.pt"))
        FAMILY.build(other, classes=["leaf"], seed=0, device="cpu")


def test_a_model_yaml_is_a_variant(tmp_path: Path) -> None:
    import yaml

    from bench.adapters.yolo.variants import TINY

    (tmp_path / "own.yaml").write_text(yaml.safe_dump(dict(TINY)), encoding="utf-8")
    own = FAMILY.build(planned(variant=str(tmp_path / "own.yaml")), classes=["a"], seed=0, device="cpu")
    tiny = FAMILY.build(planned(), classes=["a"], seed=0, device="cpu")
    assert own.describe().variant == "own"
    assert own.describe().parameters == tiny.describe().parameters


def test_no_epoch_leaves_the_starting_weights(yolo_scenes: Layout, saved: Path, tmp_path: Path) -> None:
    plan = planned(variant=None, weights=str(saved / "best.pt"), recipe=Recipe(epochs=0, image_size=96))
    detector = FAMILY.build(plan, classes=yolo_scenes.classes, seed=0, device="cpu")
    context = FitContext(
        tmp_path, 0, "cpu", score_val=lambda found: {"AP": 0.0, "AP50": 0.0}, on_epoch=lambda record: False
    )
    record = detector.fit(yolo_scenes, plan.recipe, context)
    assert (record.epochs, record.best_epoch) == (0, 0)
    images = [e.path for e in yolo_scenes.examples("test")]
    loaded = FAMILY.load(saved, device="cpu")
    for one, other in zip(detector.predict(images), loaded.predict(images), strict=True):
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
