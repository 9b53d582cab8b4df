import hashlib
from pathlib import Path

import pytest
from huggingface_hub import constants

from bench.adapters.weights import published
from bench.adapters.weights.inventory import Status, inventory, status
from bench.adapters.weights.published import KNOWN

CONTENT = b"PK\x03\x04 torchvision"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No folder of this machine is looked into."""
    for name in ("TORCH_HOME", "YOLO_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache" / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "bench"))
    return tmp_path


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> published.Published:
    file = f"stock-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"
    entry = published._torchvision("stock", file, 1.5)
    monkeypatch.setitem(KNOWN, "stock", entry)
    return entry


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def of(name: str) -> Status:
    (found,) = (one for one in inventory() if one.entry.name == name)
    return found


def test_missing_weights_have_their_path_and_published_size(home: Path, stock: published.Published) -> None:
    assert {(one.state, one.available) for one in inventory()} == {("missing", False)}
    found = of("stock")
    assert found.path == home / "bench/weights" / stock.files[0].path
    assert found.size_bytes == 1.5 * 2**20
    assert of("yolov8n.pt").size_bytes is None


def test_our_folder_and_a_framework_s_are_told_apart(home: Path, stock: published.Published) -> None:
    cached = put(home / "cache/torch/hub/checkpoints" / stock.files[0].path, CONTENT)
    assert of("stock") == Status(stock, "framework's cache", cached, len(CONTENT))
    assert of("stock").available
    own = put(home / "bench/weights" / stock.files[0].path, CONTENT)
    assert of("stock") == Status(stock, "own folder", own, len(CONTENT))


def test_a_damaged_file_is_reported_and_an_unfinished_download_is_missing(
    home: Path, stock: published.Published
) -> None:
    own = home / "bench/weights" / stock.files[0].path
    put(own, CONTENT[:-1])
    assert (status(stock).state, status(stock).size_bytes) == ("damaged", len(CONTENT) - 1)
    own.unlink()
    put(own.with_name(f".{own.name}.unfinished"), CONTENT[:5])
    assert status(stock).state == "missing"


def test_half_of_a_folder_is_incomplete_and_a_whole_one_is_listed(home: Path) -> None:
    folder = home / "bench/weights/some/detr"
    put(folder / "config.json", b"{}")
    assert of("some/detr").state == "incomplete"
    put(folder / "model.safetensors", b"12345")
    assert of("some/detr") == Status(published.entry_of("some/detr"), "own folder", folder, 7)
