"""`bench weights`, with a publisher on this machine."""

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

CONTENT = b"PK\x03\x04" + b"yolo" * 1000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment in which yolov8n.pt can be had, and nothing of this machine is looked at."""
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/yolov8n.pt").write_bytes(CONTENT)
    handler = partial(Quiet, directory=str(tmp_path / "mirror"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TORCH_"))},
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "YOLO_CONFIG_DIR": str(tmp_path / "cache"),
            "BENCH_HOME": str(tmp_path / "home"),
            "BENCH_WEIGHTS_URL": f"http://127.0.0.1:{server.server_address[1]}",
        }
        server.shutdown()


def weights(*settings: str, cwd: Path, env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bench", "weights", *settings],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_fetch_shows_progress_and_hash_and_list_says_where(mirror: dict[str, str], tmp_path: Path) -> None:
    own = tmp_path / "home/weights/yolov8n.pt"
    fetched = weights("fetch", "yolov8n.pt", cwd=tmp_path, env=mirror)
    assert fetched.returncode == 0, fetched.stderr
    assert "fetching yolov8n.pt: 0.0038 MiB of 0.0038 MiB" in fetched.stdout
    assert f"yolov8n.pt: {own}" in fetched.stdout
    assert hashlib.sha256(CONTENT).hexdigest() in fetched.stdout
    listed = weights("list", cwd=tmp_path, env=mirror)
    assert listed.returncode == 0, listed.stderr
    rows = {line.split()[0]: line for line in listed.stdout.splitlines() if line.strip()}
    assert "own folder" in rows["yolov8n.pt"] and f"yolov8n.pt: {own}\n" in listed.stdout
    assert "missing" in rows["yolov8s.pt"] and "COCO 2017" in rows["yolov8s.pt"]
    assert f"-> {own.with_name('yolov8s.pt')}" in listed.stdout
    assert f"-> {own}\n" not in listed.stdout


@pytest.mark.slow
def test_a_wrong_file_is_refused_with_the_reason(mirror: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth").write_bytes(CONTENT)
    done = weights("import", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", cwd=tmp_path, env=mirror)
    assert done.returncode == 2
    assert "its sha256 begins with" in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path / "home").rglob("*.pth"))
