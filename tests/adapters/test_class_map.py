"""Weights that are judged as they come: the classes they know, and no others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.adapters import class_map
from bench.adapters.class_map import match
from bench.adapters.weights import published
from bench.detector import Detections, Plan
from bench.errors import RecipeError, WeightsError
from bench.recipe import Recipe

THEIRS = ("N/A", "Person", "zebra", "cup", "N/A")
OURS = ("cup", "bone", "person")


def test_names_decide_whatever_their_case() -> None:
    found = match(OURS, THEIRS, weights="w")
    assert found.named() == {"cup": "cup", "bone": None, "person": "Person"}
    assert found.others == ("N/A", "zebra", "N/A")


def test_nothing_cleverer_than_the_name() -> None:
    assert match(("cups", "cup "), THEIRS, weights="w").named() == {"cups": None, "cup ": "cup"}


def test_nothing_in_common_is_nothing_to_judge() -> None:
    with pytest.raises(RecipeError, match="has none of bone, tooth") as caught:
        match(("bone", "tooth"), THEIRS, weights="w.pth")
    assert "w.pth" in str(caught.value) and "zebra" in str(caught.value)
    with pytest.raises(RecipeError, match="does not say which classes it has"):
        match(("bone",), (), weights="w.pth")


@pytest.mark.slow
def test_rows_are_ours_first_then_theirs() -> None:
    import torch

    found = match(OURS, THEIRS, weights="w")
    rows = torch.arange(5.0)[:, None] * torch.ones(2)
    assert found.known(rows, -7.0).tolist() == [[3, 3], [-7, -7], [1, 1]]
    assert found.rearranged(rows, -7.0)[:, 0].tolist() == [3, -7, 1, 0, 2, 4]
    assert torch.tensor(class_map.NEVER).half().sigmoid() == 0


def planned(family: Any, weights: Path, **settings: Any) -> Plan:
    """A plan without a training."""
    recipe = Recipe.model_validate({"epochs": 0, "batch_size": 2, "image_size": 96})
    plan: Plan = family.plan(weights=str(weights), options={}, recipe=recipe, **settings)
    return plan


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, 96 x 64: large enough that nothing is resized."""
    path = tmp_path_factory.mktemp("pictures") / "noise.png"
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (64, 96, 3), dtype=np.uint8)).save(path)
    return path


def pixels(path: Path) -> Any:
    """(3, H, W) in 0..1."""
    import torch

    return torch.from_numpy(np.asarray(Image.open(path)).copy()).permute(2, 0, 1).float() / 255


def built(family: Any, plan: Plan, tmp_path: Path, image: Path) -> tuple[Any, Detections]:
    """The detector, saved and read back, and what it finds."""
    detector = family.build(plan, classes=OURS, seed=0, device="cpu")
    assert detector.describe().class_map == {"cup": "cup", "bone": None, "person": "Person"}
    (before,) = detector.predict([image])
    detector.save(tmp_path / "saved")
    again = family.load(tmp_path / "saved", device="cpu")
    assert again.describe().class_map == detector.describe().class_map
    (found,) = again.predict([image])
    np.testing.assert_allclose(found.scores, before.scores, rtol=1e-3)
    assert 1 not in found.labels
    return again, found


@pytest.fixture(scope="module")
def plain_detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small DETR as transformers itself saves one."""
    import torch
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

    torch.manual_seed(0)
    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = DetrConfig(
        backbone_config=backbone,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_queries=20,
        id2label=dict(enumerate(THEIRS)),
        label2id={name: index for index, name in enumerate(THEIRS)},
    )
    model = DetrForObjectDetection(config)
    with torch.no_grad():  # queries that differ, and classes that win
        for parameter in model.model.decoder.parameters():
            if parameter.dim() > 1:
                torch.nn.init.xavier_uniform_(parameter, gain=3.0)
        torch.nn.init.normal_(model.model.query_position_embeddings.weight, std=3.0)
        torch.nn.init.normal_(model.class_labels_classifier.weight, std=0.5)
    folder = tmp_path_factory.mktemp("weights") / "plain"
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_detr_finds_what_the_plain_checkpoint_finds(plain_detr: Path, tmp_path: Path, image: Path) -> None:
    """Also in its scores: the classes of which nobody asked keep their share of the softmax."""
    import torch
    from transformers import DetrForObjectDetection

    from bench.adapters.detr.family import FAMILY

    _, found = built(FAMILY, planned(FAMILY, plain_detr, variant=None), tmp_path, image)
    theirs = DetrForObjectDetection.from_pretrained(plain_detr).eval()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.inference_mode():
        out = theirs(pixel_values=((pixels(image) - mean) / std)[None])
    scores, labels = out.logits.softmax(-1)[0, :, :-1].max(-1)
    wanted = [(3, 0), (1, 2)]
    expected = sorted(
        (float(s), ours)
        for s, label in zip(scores, labels, strict=True)
        for row, ours in wanted
        if label == row
    )
    assert 0 < len(expected) < 20
    assert len(found.scores) == len(expected)
    np.testing.assert_allclose(found.scores, [score for score, _ in reversed(expected)], rtol=1e-3)
    assert found.labels.tolist() == [label for _, label in reversed(expected)]


@pytest.mark.slow
def test_a_detr_whose_config_and_head_disagree_is_refused(plain_detr: Path, tmp_path: Path) -> None:
    import json
    import shutil

    from bench.adapters.detr.family import FAMILY

    shutil.copytree(plain_detr, tmp_path / "odd")
    config = json.loads((tmp_path / "odd/config.json").read_text())
    config["id2label"] = {"0": "cup"}
    (tmp_path / "odd/config.json").write_text(json.dumps(config))
    with pytest.raises(
        WeightsError, match=r"class_labels_classifier\.weight does not have a row for each of"
    ):
        FAMILY.build(planned(FAMILY, tmp_path / "odd", variant=None), classes=OURS, seed=0, device="cpu")


@pytest.fixture
def torchvision_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state_dict of plain torchvision that counts as published."""
    import torch
    from torchvision.models import get_model

    torch.manual_seed(0)
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    network = get_model(name, weights=None, weights_backbone=None, num_classes=91)
    with torch.no_grad():
        network.roi_heads.box_predictor.cls_score.weight *= 50
        network.rpn.head.cls_logits.weight *= 50
    torch.save(network.state_dict(), tmp_path / "raw.pth")
    digest = published.fingerprint(tmp_path / "raw.pth")
    path = (tmp_path / "raw.pth").rename(tmp_path / f"mobile-{digest[:8]}.pth")
    monkeypatch.setitem(published.KNOWN, name, published._torchvision(name, path.name))
    yield path


@pytest.mark.slow
def test_frcnn_finds_what_the_plain_file_finds(torchvision_file: Path, tmp_path: Path, image: Path) -> None:
    import torch
    from torchvision.models import get_model, get_model_weights

    from bench.adapters.frcnn.family import FAMILY

    settings = {"box_score_thresh": 0.001, "rpn_score_thresh": 0.0, "min_size": 96, "max_size": 96}
    theirs = get_model(
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        weights=None,
        weights_backbone=None,
        num_classes=91,
        box_detections_per_img=1000,
        **settings,
    ).eval()
    theirs.load_state_dict(torch.load(torchvision_file, weights_only=True))
    with torch.inference_mode():
        (out,) = theirs([pixels(image)])
    names = get_model_weights("fasterrcnn_mobilenet_v3_large_320_fpn").DEFAULT.meta["categories"]
    rows = [int(row) for row in out["labels"].unique() if names[row] != "N/A"][:2]
    classes = (names[rows[1]].upper(), "bone", names[rows[0]])
    plan = planned(FAMILY, torchvision_file, variant="mobilenet_v3_large_320_fpn")
    detector = FAMILY.build(plan, classes=classes, seed=0, device="cpu")
    assert list(detector.describe().class_map.values()) == [names[rows[1]], None, names[rows[0]]]
    (found,) = detector.predict([image])
    detector.save(tmp_path / "saved")
    (again,) = FAMILY.load(tmp_path / "saved", device="cpu").predict([image])
    np.testing.assert_array_equal(found.boxes_xyxy, again.boxes_xyxy)
    for label, row in ((0, rows[1]), (2, rows[0])):
        mine, other = found.scores[found.labels == label], out["scores"][out["labels"] == row].numpy()
        assert len(mine)
        np.testing.assert_allclose(mine[:50], other[: len(mine)][:50], rtol=1e-2, atol=1e-4)
    assert set(found.labels.tolist()) == {0, 2}


@pytest.mark.slow
def test_a_file_of_unknown_classes_is_not_judged(torchvision_file: Path) -> None:
    from bench.adapters.frcnn.family import FAMILY

    unknown = torchvision_file.rename(torchvision_file.with_name("mine.pth"))
    plan = planned(FAMILY, unknown, variant="mobilenet_v3_large_320_fpn")
    with pytest.raises(RecipeError, match="does not say which classes it has"):
        FAMILY.build(plan, classes=("person",), seed=0, device="cpu")


@pytest.mark.slow
def test_yolo_keeps_the_class_rows_and_what_feeds_them(tmp_path: Path) -> None:
    """YOLOv8n's class layers are as wide as its classes are many: 80 there, 64 for our three."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    from bench.adapters.yolo import model as yolo_model
    from bench.adapters.yolo.family import FAMILY

    torch.manual_seed(0)
    source = DetectionModel("yolov8n.yaml", nc=80, verbose=False).eval()
    source.names = {index: {4: "Person", 7: "cup"}.get(index, f"c{index}") for index in range(80)}
    path = tmp_path / "theirs.pt"
    torch.save(yolo_model.checkpoint(source), path)
    detector: Any = FAMILY.build(planned(FAMILY, path, variant="n"), classes=OURS, seed=0, device="cpu")
    assert detector.describe().class_map == {"cup": "cup", "bone": None, "person": "Person"}
    detector.save(tmp_path / "saved")
    loaded: Any = FAMILY.load(tmp_path / "saved", device="cpu")
    assert loaded.describe().class_map == detector.describe().class_map
    with torch.inference_mode():
        noise = torch.rand(1, 3, 96, 96)
        theirs = yolo_model.read(path).eval()(noise)[0]  # (1, 4 + classes, places)
        for network in (detector.model, loaded.model):
            ours = network.eval()(noise)[0]
            torch.testing.assert_close(ours[:, :4], theirs[:, :4], rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(ours[:, [4, 6]], theirs[:, [4 + 7, 4 + 4]], rtol=1e-3, atol=1e-5)
            assert (ours[:, 5] == 0).all()


@pytest.mark.slow
def test_yolo_without_a_shared_class_is_refused(tmp_path: Path) -> None:
    import torch
    from ultralytics.nn.tasks import DetectionModel

    from bench.adapters.yolo import model as yolo_model
    from bench.adapters.yolo.family import FAMILY
    from bench.adapters.yolo.variants import TINY

    source = DetectionModel(dict(TINY), nc=2, verbose=False)
    source.names = {0: "zebra", 1: "horse"}
    torch.save(yolo_model.checkpoint(source), tmp_path / "theirs.pt")
    plan = planned(FAMILY, tmp_path / "theirs.pt", variant="tiny")
    with pytest.raises(RecipeError, match="has none of cup, bone, person"):
        FAMILY.build(plan, classes=OURS, seed=0, device="cpu")
