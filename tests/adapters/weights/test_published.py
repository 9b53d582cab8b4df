import hashlib
import json
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

from bench.adapters.weights import published as weights
from bench.adapters.weights.published import (
    KNOWN,
    Published,
    PublishedFile,
    entry_of,
    fingerprint,
    locate,
    resolve,
)
from bench.errors import WeightsError

YOLO = b"PK\x03\x04 yolo"
SAFETENSORS = (16).to_bytes(8, "little") + b'{"some": "thing"}'
STOCK = b"PK\x03\x04 torchvision"
STOCK_NAME = f"stock-{hashlib.sha256(STOCK).hexdigest()[:8]}.pth"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that a real server offers as BENCH_WEIGHTS_URL."""
    root = tmp_path / "mirror"
    root.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("BENCH_WEIGHTS_URL", f"http://127.0.0.1:{server.server_address[1]}/")
        yield root
        server.shutdown()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test: no cache of this machine is seen, and nobody is asked."""
    for name in ("TORCH_HOME", "YOLO_CONFIG_DIR", "HF_ENDPOINT", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "home" / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / ".cache"))
    monkeypatch.setenv("BENCH_HOME", str(tmp_path / "bench"))
    monkeypatch.setenv("BENCH_WEIGHTS_URL", "http://127.0.0.1:9")  # the port that discards
    return tmp_path / "home"


@pytest.fixture
def stock(monkeypatch: pytest.MonkeyPatch) -> str:
    """A published file with a hash that this test can meet."""
    entry = weights._torchvision("stock", STOCK_NAME)
    monkeypatch.setitem(KNOWN, "stock", entry)
    return "stock"


def put(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_our_own_folder_comes_first(tmp_path: Path, home: Path) -> None:
    put(home / ".cache/torch/hub/checkpoints/yolov8n.pt", b"another")
    own = put(tmp_path / "bench/weights/yolov8n.pt", YOLO)
    assert locate("yolov8n.pt") == own


def test_the_default_folder_is_in_the_users_cache(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BENCH_HOME")
    own = put(home / ".cache/bench/weights/yolov8n.pt", YOLO)
    assert locate("yolov8n.pt") == own


def test_torchs_cache_is_used(
    home: Path, tmp_path: Path, stock: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = put(home / f".cache/torch/hub/checkpoints/{STOCK_NAME}", STOCK)
    assert locate(stock) == usual
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "elsewhere"))
    moved = put(tmp_path / f"elsewhere/hub/checkpoints/{STOCK_NAME}", STOCK)
    assert locate(stock) == moved


def test_a_cached_file_with_another_hash_is_passed_over(home: Path, mirror: Path, stock: str) -> None:
    put(home / f".cache/torch/hub/checkpoints/{STOCK_NAME}", STOCK + b"!")
    put(mirror / STOCK_NAME, STOCK)
    assert locate(stock).read_bytes() == STOCK


def test_the_hubs_cache_is_used(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = home / "hub/models--facebook--detr-resnet-50"
    put(root / "refs/main", b"0123abc")
    put(root / "snapshots/0123abc/config.json", b"{}")
    with pytest.raises(WeightsError):
        locate("facebook/detr-resnet-50")  # half of a model is none
    put(root / "snapshots/0123abc/model.safetensors", SAFETENSORS)
    assert locate("facebook/detr-resnet-50") == root / "snapshots/0123abc"
    assert locate("facebook/detr-resnet-50@0123abc") == root / "snapshots/0123abc"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "no such place"))
    with pytest.raises(WeightsError):
        locate("facebook/detr-resnet-50")


def test_ultralytics_own_folder_is_used(home: Path, tmp_path: Path) -> None:
    theirs = put(tmp_path / "theirs/yolov8s.pt", YOLO)
    settings = json.dumps({"weights_dir": str(theirs.parent)}).encode()
    put(home / ".config/Ultralytics/settings.json", settings)
    assert locate("yolov8s.pt") == theirs


@pytest.mark.parametrize("settings", [b"{", b"[]", b'{"weights_dir": 5}', b"{}", b"\xff"])
def test_broken_settings_of_ultralytics_are_no_obstacle(home: Path, mirror: Path, settings: bytes) -> None:
    put(home / ".config/Ultralytics/settings.json", settings)
    put(mirror / "yolov8s.pt", YOLO)
    assert locate("yolov8s.pt").read_bytes() == YOLO


def test_what_is_nowhere_is_fetched_once(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(mirror / "yolov8n.pt", YOLO)
    found = locate("yolov8n.pt")
    assert found == tmp_path / "bench/weights/yolov8n.pt"
    monkeypatch.setenv("BENCH_WEIGHTS_URL", "http://127.0.0.1:9")
    assert locate("yolov8n.pt") == found


def test_a_model_of_the_hub_is_fetched_as_a_folder(mirror: Path, tmp_path: Path) -> None:
    put(mirror / "some/model/config.json", b"{}")
    put(mirror / "some/model/model.safetensors", SAFETENSORS)
    found = locate("some/model")
    assert found == tmp_path / "bench/weights/some/model"
    assert (found / "model.safetensors").read_bytes() == SAFETENSORS
    assert fingerprint(found) == hashlib.sha256(SAFETENSORS).hexdigest()


def test_without_a_mirror_a_model_of_the_hub_comes_from_hf_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENCH_WEIGHTS_URL")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9/")
    with pytest.raises(WeightsError) as caught:
        locate("some/model@v1")
    text = str(caught.value)
    assert "could not be downloaded from http://127.0.0.1:9/some/model/resolve/v1/config.json" in text
    assert str(tmp_path / "bench/weights/some/model@v1/config.json") in text
    assert "download https://huggingface.co/some/model/resolve/v1/model.safetensors" in text


def test_the_error_says_what_was_tried_and_where_it_belongs(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(WeightsError) as caught:
        locate("facebook/detr-resnet-50")
    assert time.monotonic() - begun < 3
    text = str(caught.value)
    assert "http://127.0.0.1:9/facebook/detr-resnet-50/config.json" in text
    assert "https://huggingface.co/facebook/detr-resnet-50/resolve/main/config.json" in text
    assert str(tmp_path / "bench/weights/facebook/detr-resnet-50/config.json") in text
    assert "model.safetensors beside it" in text
    assert not list(tmp_path.rglob("*detr*.json*"))


def test_a_wrong_file_in_our_folder_is_named_not_replaced(tmp_path: Path, mirror: Path, stock: str) -> None:
    put(mirror / STOCK_NAME, STOCK)
    wrong = put(tmp_path / "bench/weights" / STOCK_NAME, b"truncated")
    with pytest.raises(WeightsError, match="is not the published file"):
        locate(stock)
    assert wrong.read_bytes() == b"truncated"


def test_unknown_names_are_refused_without_asking_anyone() -> None:
    for name in (
        "yolov9q.pt",
        "a/b/c",
        "../../x",
        "org/..",
        "/etc/passwd",
        "org/model@../x",
        "org/model@..",
        "org/a--b",
    ):
        with pytest.raises(WeightsError, match="no published weights have that name"):
            entry_of(name)


def test_a_revision_is_asked_for_and_kept_apart() -> None:
    entry = entry_of("facebook/detr-resnet-50@no_timm")
    assert entry.files[1] == PublishedFile(
        "facebook/detr-resnet-50@no_timm/model.safetensors",
        "https://huggingface.co/facebook/detr-resnet-50/resolve/no_timm/model.safetensors",
    )
    assert isinstance(entry, Published)


def test_resolve_takes_none_pretrained_or_a_path(tmp_path: Path, mirror: Path, stock: str) -> None:
    put(mirror / STOCK_NAME, STOCK)
    assert resolve("none", published=stock, variant="v").weights == "none"
    pretrained = resolve("pretrained", published=stock, variant="v")
    assert Path(pretrained.weights).read_bytes() == STOCK
    assert pretrained.pretrained_on.startswith("COCO 2017")
    mine = put(tmp_path / "mine.pth", b"x")
    assert resolve(str(mine), published=stock, variant="v") == weights.InitialWeights(
        str(mine), "unknown (the local file mine.pth)"
    )
    with pytest.raises(WeightsError, match="no such file"):
        resolve(str(tmp_path / "missing.pth"), published=stock, variant="v")
    with pytest.raises(WeightsError, match="there are no published weights for v"):
        resolve("pretrained", published=None, variant="v")


def test_resolve_knows_a_published_file_wherever_it_lies(tmp_path: Path, stock: str) -> None:
    good = put(tmp_path / "a" / STOCK_NAME, STOCK)
    bad = put(tmp_path / "b" / STOCK_NAME, b"fine-tuned by somebody")
    yolo = put(tmp_path / "c" / "yolov8n.pt", YOLO)
    assert resolve(str(good), published=None, variant="v").pretrained_on.startswith("COCO 2017")
    assert "altered" in resolve(str(bad), published=None, variant="v").pretrained_on
    assert "by the file's name" in resolve(str(yolo), published=None, variant="v").pretrained_on


def test_resolve_takes_another_model_of_the_hub_where_the_family_lives_there(mirror: Path) -> None:
    put(mirror / "some/detr/config.json", b"{}")
    put(mirror / "some/detr/model.safetensors", SAFETENSORS)
    found = resolve("some/detr", published="facebook/detr-resnet-50", variant="v")
    assert Path(found.weights).name == "detr"
    for published in (None, "yolov8n.pt"):
        with pytest.raises(WeightsError, match="no such file"):
            resolve("some/detr", published=published, variant="v")
    with pytest.raises(WeightsError, match="no such file"):  # a path with a slip, not a model
        resolve("weights/best.safetensors", published="facebook/detr-resnet-50", variant="v")


@pytest.mark.slow
def test_the_table_says_what_torchvision_says() -> None:
    from torchvision.models import get_model_weights

    for name, entry in KNOWN.items():
        if name.startswith("fasterrcnn"):
            theirs = get_model_weights(name).DEFAULT
            assert entry.files[0].url == theirs.url
            assert theirs.url.endswith(f"-{entry.files[0].sha256_prefix}.pth")
            assert len(theirs.meta["categories"]) == 91
            assert entry.size_mib == theirs.meta["_file_size"]
