import hashlib
from pathlib import Path

import pytest

from bench.adapters.weights import published
from bench.adapters.weights.published import KNOWN
from bench.adapters.weights.whereabouts import Standing, every, standing

CONTENT = b"PK\x03\x04 torchvision"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No folder of this machine is looked into."""
    for name in ("TORCH_HOME", "HF_HOME", "HF_HUB_CACHE", "YOLO_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
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


def of(name: str) -> Standing:
    (found,) = (one for one in every() if one.entry.name == name)
    return found


def test_what_is_nowhere_is_missing_with_its_place_and_published_size(
    home: Path, stock: published.Published
) -> None:
    assert {one.state for one in every()} == {"missing"}
    found = of("stock")
    assert found.path == home / "bench/weights" / stock.files[0].place
    assert found.size_bytes == 1.5 * 2**20
    assert of("yolov8n.pt").size_bytes is None


def test_our_folder_and_a_framework_s_are_told_apart(home: Path, stock: published.Published) -> None:
    cached = put(home / "cache/torch/hub/checkpoints" / stock.files[0].place, CONTENT)
    assert of("stock") == Standing(stock, "framework's cache", cached, len(CONTENT))
    own = put(home / "bench/weights" / stock.files[0].place, CONTENT)
    assert of("stock") == Standing(stock, "own folder", own, len(CONTENT))


def test_what_is_damaged_or_partly_here_is_said_so(home: Path, stock: published.Published) -> None:
    own = home / "bench/weights" / stock.files[0].place
    put(own, CONTENT[:-1])
    assert (standing(stock).state, standing(stock).size_bytes) == ("damaged", len(CONTENT) - 1)
    own.unlink()
    put(own.with_name(own.name + ".part"), CONTENT[:5])
    assert (standing(stock).state, standing(stock).size_bytes) == ("partly here", 5)


def test_half_of_a_folder_is_partly_here_and_a_whole_one_is_listed(home: Path) -> None:
    folder = home / "bench/weights/some/detr"
    put(folder / "config.json", b"{}")
    assert of("some/detr").state == "partly here"
    put(folder / "model.safetensors", b"12345")
    assert of("some/detr") == Standing(published.entry_of("some/detr"), "own folder", folder, 7)
