"""What was trained, in the plain framework: the same detections, in a process that can't import bench."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.detector import Detections, FitContext
from bench.layout import Layout
from bench.recipe import Recipe

pytestmark = pytest.mark.slow

SIDE = 96

HEAD = """
import json, sys
for name in ("bench", "adapters", "datasets", "reports"):
    sys.modules[name] = None  # importing it is an ImportError from now on
try:
    import bench
except ImportError:
    pass
else:
    raise SystemExit("bench can be imported")
import numpy as np
import torch
from PIL import Image

def pixels(path):
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
    share = SIDE / max(rgb.size)
    size = tuple(max(1, round(side * share)) for side in rgb.size)
    if size != rgb.size:
        rgb = rgb.resize(size, Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(rgb).copy()).permute(2, 0, 1).float() / 255, picture.size

checkpoints, pictures = sys.argv[1:3], sys.argv[3:]
torch.set_num_threads(1)
""".replace("SIDE", str(SIDE))

TORCHVISION = """
from safetensors.torch import load_file
from torchvision.models.detection import fasterrcnn_mobilenet_v3_large_320_fpn

words = dict(weights=None, weights_backbone=None, num_classes=3, box_score_thresh=0.001, rpn_score_thresh=0.0)
network = fasterrcnn_mobilenet_v3_large_320_fpn(**words, min_size=SIDE, max_size=SIDE).eval()
for checkpoint in checkpoints:
    network.load_state_dict(load_file(checkpoint + "/model.safetensors"), strict=True)
    for path in pictures:
        picture, (width, height) = pixels(path)
        with torch.inference_mode():
            (found,) = network([picture])
        scale = torch.tensor([width / picture.shape[2], height / picture.shape[1]] * 2)
        boxes = (found["boxes"] * scale).tolist()
        print(json.dumps([boxes, found["scores"].tolist(), (found["labels"] - 1).tolist()]))
""".replace("SIDE", str(SIDE))

TRANSFORMERS = """
from transformers import AutoModelForObjectDetection, DetrImageProcessor

mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
for checkpoint in checkpoints:
    network = AutoModelForObjectDetection.from_pretrained(checkpoint).eval()
    assert list(network.config.id2label.values()) == ["brick", "leaf"], network.config.id2label
    for path in pictures:
        picture, (width, height) = pixels(path)
        with torch.inference_mode():
            out = network(pixel_values=((picture - mean) / std)[None])
        (found,) = DetrImageProcessor().post_process_object_detection(
            out, threshold=0.001, target_sizes=[(height, width)]
        )
        print(json.dumps([found[key].tolist() for key in ("boxes", "scores", "labels")]))
"""


def run_plain(code: str, checkpoints: tuple[Path, Path], images: list[Path]) -> list[Any]:
    """Boxes, scores and labels of each picture, of the first checkpoint, then of the second."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code, *map(str, checkpoints), *map(str, images)],
        cwd=checkpoints[0],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def trained(family: Any, layout: Layout, tmp_path: Path, **settings: Any) -> tuple[Any, Path, Path]:
    """The detector after two epochs of which the first was the better, its best checkpoint and its last."""
    loss = settings.pop("loss", {})
    recipe = Recipe.model_validate({"epochs": 2, "batch_size": 8, "image_size": SIDE, "loss": loss})
    plan = family.plan(weights="none", recipe=recipe, **settings)
    detector = family.build(plan, classes=layout.classes, seed=0, device="cpu")
    scores = iter([{"AP": 0.5, "AP50": 0.5}, {"AP": 0.4, "AP50": 0.4}])
    workdir = tmp_path / "training"
    workdir.mkdir()
    context = FitContext(workdir, 0, "cpu", lambda found: next(scores), lambda record: False)
    assert detector.fit(layout, plan.recipe, context).best_epoch == 1
    detector.save(tmp_path / "best")
    return detector, tmp_path / "best", workdir / "last"


def same(found: Iterator[Detections], expected: list[Any], images: list[Path]) -> None:
    """Boxes within a twentieth of a pixel; equally good detections may change places."""
    for mine, (boxes, scores, labels), path in zip(found, expected, images, strict=True):
        with Image.open(path) as image:
            limit = np.array(image.size * 2)
        assert len(mine.scores) == len(scores) > 0
        np.testing.assert_allclose(mine.scores, sorted(scores, reverse=True), atol=1e-4)
        theirs = np.clip(boxes, 0, limit)  # DETR's reach over the edge
        for box, score, label in zip(mine.boxes_xyxy, mine.scores, mine.labels, strict=True):
            alike = (np.array(labels) == label) & (np.abs(np.array(scores) - score) < 2e-4)
            assert np.abs(theirs[alike] - box).max(axis=1).min() < 0.05


def check(family: Any, code: str, layout: Layout, tmp_path: Path, **settings: Any) -> None:
    detector, best, last = trained(family, layout, tmp_path, **settings)
    images = [example.path for example in layout.examples("test")]
    found = run_plain(code, (best, last), images)
    same(detector.predict(images), found[: len(images)], images)
    same(family.load(last, device="cpu").predict(images), found[len(images) :], images)
    assert (best / "model.safetensors").read_bytes() != (last / "model.safetensors").read_bytes()


SWITCH = pytest.mark.parametrize(
    "loss", [{}, {"classification": "weighted_focal", "focal_alpha": 0.25}], ids=["standard", "switched"]
)


@SWITCH
def test_torchvision_loads_what_was_trained(
    yolo_scenes: Layout, tmp_path: Path, loss: dict[str, Any]
) -> None:
    from bench.adapters.frcnn.family import FAMILY

    options = {"box_samples": 32, "train_proposals": 100}
    variant = "mobilenet_v3_large_320_fpn"
    check(FAMILY, TORCHVISION, yolo_scenes, tmp_path, variant=variant, options=options, loss=loss)


@SWITCH
def test_transformers_loads_what_was_trained(
    yolo_scenes: Layout, tmp_path: Path, loss: dict[str, Any]
) -> None:
    from bench.adapters.detr.family import FAMILY

    check(FAMILY, TRANSFORMERS, yolo_scenes, tmp_path, variant="tiny", options={}, loss=loss)


def test_transformers_loads_what_was_trained_with_a_sigmoid_a_class(
    yolo_scenes: Layout, tmp_path: Path
) -> None:
    """Its own post-processing takes a softmax: it is given logits that make one of the best sigmoid."""
    from bench.adapters.detr.family import FAMILY

    options = {"focal": "sigmoid"}
    code = TRANSFORMERS.replace(
        "        (found,) =",
        "        assert network.config.bench_focal == 'sigmoid'\n"
        "        shares = out.logits[..., :-1].sigmoid()\n"
        "        best = shares.amax(-1, keepdim=True)\n"
        "        out.logits = torch.cat([shares * (shares == best), 1 - best], -1).log()\n"
        "        (found,) =",
    )
    loss = {"classification": "focal"}
    check(FAMILY, code, yolo_scenes, tmp_path, variant="tiny", options=options, loss=loss)
