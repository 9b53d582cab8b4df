"""Weights are imported if they are what they claim to be, and refused with the reason if not."""

import hashlib
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from bench.adapters.importing import import_weights
from bench.adapters.weights import published
from bench.adapters.weights.published import KNOWN, locate
from bench.errors import WeightsError

STOCK = b"PK\x03\x04 torchvision"
MOBILE = "fasterrcnn_mobilenet_v3_large_320_fpn"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Our weights folder; no other is looked into, and nobody is asked."""
    for name in ("TORCH_HOME", "YOLO_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "bench"))
    monkeypatch.setenv("BENCH_WEIGHTS_URL", "http://127.0.0.1:9")
    return tmp_path / "bench/weights"


def refused(place: Path, source: Path, reason: str, name: str | None = None) -> str:
    """What is told; nothing is left behind."""
    before = sorted(place.rglob("*"))
    with pytest.raises(WeightsError, match=reason) as caught:
        import_weights(source, name)
    assert str(source) in str(caught.value)
    assert sorted(place.rglob("*")) == before
    return str(caught.value)


def test_what_is_not_there_or_nothing_published_is_refused(place: Path, tmp_path: Path) -> None:
    refused(place, tmp_path / "none.pth", "no such file or folder")
    (tmp_path / "mine.pth").write_bytes(STOCK)
    text = refused(place, tmp_path / "mine.pth", "is none of the published weights")
    assert "--name" in text and "weights: PATH" in text
    (tmp_path / "stick").mkdir()
    refused(place, tmp_path / "stick", "is none of the published weights")
    with pytest.raises(WeightsError, match="no published weights have that name"):
        import_weights(tmp_path / "mine.pth", "yolov8q.pt")


def test_another_content_than_the_name_says_is_refused(place: Path, tmp_path: Path) -> None:
    file = tmp_path / KNOWN[MOBILE].files[0].path
    file.write_bytes(STOCK)
    digest = hashlib.sha256(STOCK).hexdigest()
    refused(place, file, f"is not {MOBILE}: its sha256 begins with {digest[:8]}, not 907ea3f9")


def test_a_file_for_a_folder_and_a_folder_for_a_file_are_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(STOCK)
    text = refused(place, tmp_path / "model.safetensors", "is a folder", "facebook/detr-resnet-50")
    assert "config.json and model.safetensors" in text
    (tmp_path / "yolov8n").mkdir()
    refused(place, tmp_path / "yolov8n", "is one file", "yolov8n.pt")


def test_half_of_a_folder_is_refused(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "detr-resnet-50"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    refused(place, folder, r"has no model\.safetensors")


def test_a_pickle_with_code_in_it_is_refused_unread(place: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    for name in ("yolov8n.pt", "unheard of.pt"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("yolov8n/data.pkl", pickle.dumps(Evil(), protocol=2))
        refused(place, tmp_path / name, "that could run foreign code")
    assert not (tmp_path / "ran").exists()


def yolo(path: Path, yaml: str, names: int = 80) -> Path:
    """A random YOLO that says it knows COCO's classes, as ultralytics saves one."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    from bench.adapters.yolo import model as yolo_model

    model = DetectionModel(yaml, nc=names, verbose=False)
    model.names = {index: "person" if index == 0 else f"c{index}" for index in range(names)}
    torch.save(yolo_model.checkpoint(model), path)
    return path


@pytest.mark.slow
def test_a_yolo_is_known_by_its_name_or_its_layers(place: Path, tmp_path: Path) -> None:
    named = import_weights(yolo(tmp_path / "yolov8n.pt", "yolov8n.yaml"))
    assert (named.entry.name, named.path, named.replaced) == ("yolov8n.pt", place / "yolov8n.pt", False)
    assert named.sha256 == published.fingerprint(tmp_path / "yolov8n.pt")
    assert locate("yolov8n.pt") == named.path
    again = import_weights((tmp_path / "yolov8n.pt").rename(tmp_path / "download(1).pt"))
    assert (again.entry.name, again.replaced) == ("yolov8n.pt", True)
    assert sorted(path.name for path in place.iterdir()) == ["yolov8n.pt"]


@pytest.mark.slow
def test_another_yolo_than_the_name_says_is_refused(place: Path, tmp_path: Path) -> None:
    text = refused(
        place, yolo(tmp_path / "yolov8s.pt", "yolov8n.yaml"), r"is not yolov8s\.pt: .*model\.0\.conv"
    )
    assert "(16, 3, 3, 3), not (32, 3, 3, 3)" in text
    own = yolo(tmp_path / "yolov8n.pt", "yolov8n.yaml", names=3)
    assert "has 3 classes (person, c1, c2)" in refused(place, own, "weights: PATH")


@pytest.mark.slow
def test_a_torchvision_file_is_known_by_its_hash(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torchvision.models import get_model

    network = get_model(MOBILE, weights=None, weights_backbone=None, num_classes=91)
    torch.save(network.state_dict(), tmp_path / "renamed.pth")
    digest = published.fingerprint(tmp_path / "renamed.pth")
    entry = published._torchvision(MOBILE, f"mobile-{digest[:8]}.pth")
    monkeypatch.setitem(KNOWN, MOBILE, entry)
    placed = import_weights(tmp_path / "renamed.pth")
    assert placed.path == place / entry.files[0].path == locate(MOBILE)
    torch.save({"a": torch.zeros(1)}, tmp_path / "mobile.pth")
    monkeypatch.setitem(
        KNOWN,
        MOBILE,
        published._torchvision(MOBILE, f"x-{published.fingerprint(tmp_path / 'mobile.pth')[:8]}.pth"),
    )
    refused(place, tmp_path / "mobile.pth", "does not fit this variant: .*backbone")


@pytest.mark.slow
def test_a_folder_of_the_hub_is_known_by_its_path_or_needs_a_name(place: Path, tmp_path: Path) -> None:
    from bench.adapters.detr.family import FAMILY
    from bench.recipe import Recipe

    plan = FAMILY.plan(variant="tiny", weights="none", options={}, recipe=Recipe(epochs=1, image_size=64))
    FAMILY.build(plan, classes=("person",), seed=0, device="cpu").save(tmp_path / "mine")
    refused(place, tmp_path / "mine", "is none of the published weights")
    placed = import_weights(tmp_path / "mine", "some/detr")
    assert placed.path == place / "some/detr" == locate("some/detr")
    assert sorted(path.name for path in placed.path.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((tmp_path / "mine/config.json").read_text())
    (tmp_path / "mine/config.json").write_text(json.dumps({**config, "d_model": 64}))
    refused(place, tmp_path / "mine", "is not some/detr: .*has shape", "some/detr")
    cached = tmp_path / "models--facebook--detr-resnet-50/snapshots/0123"
    cached.parent.mkdir(parents=True)
    (tmp_path / "mine").rename(cached)
    refused(place, cached, "is not facebook/detr-resnet-50")
    assert import_weights(placed.path, "some/detr").replaced
