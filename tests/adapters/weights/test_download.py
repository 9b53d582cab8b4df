import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants, file_download

from bench.adapters.weights import download
from bench.adapters.weights.checkpoints import looks_like
from bench.adapters.weights.download import download_progress, fetch, fetch_from_hub
from bench.errors import RunError, WeightsError

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
LOGIN_PAGE = b"<!doctype html><title>Welcome to our network</title>"
HALF = len(CONTENT) // 2
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MODEL = {"config.json": b'{"model_type": "detr"}', "model.safetensors": (2).to_bytes(8, "little") + b"{}"}


class Handler(BaseHTTPRequestHandler):
    """A server that answers as the first part of the path says, and a hub below /hub."""

    requests: list[tuple[str, str, str | None, str | None]]
    """Method, path, Range and Authorization of every request."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.requests.append((self.command, self.path, wanted, self.headers.get("Authorization")))
        kind = self.path.strip("/").partition(".")[0]
        if kind == "gone":
            self.send_error(404)
        elif kind in ("moved", "lured"):
            self.send_response(302)
            self.send_header("Location", "/good.pt" if kind == "moved" else "file:///etc/passwd")
            self.end_headers()
        elif kind.startswith("hub/"):
            self.answer_as_hub()
        elif kind == "login":
            self.answer(LOGIN_PAGE, len(LOGIN_PAGE))
        elif kind == "cut":
            self.answer(CONTENT[:HALF], len(CONTENT))
        elif kind == "cut-once" and wanted:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            self.answer(CONTENT[begin:], len(CONTENT) - begin, status=206)
        elif kind == "cut-once":
            self.answer(CONTENT[:HALF], len(CONTENT))
        elif kind == "without-length":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(CONTENT)
        else:
            self.answer(CONTENT, len(CONTENT))

    def answer_as_hub(self) -> None:
        """/hub/ORG/MODEL/resolve/REVISION/FILE, with the headers by which huggingface_hub knows a hub."""
        _, model, _, revision, file = self.path.removeprefix("/hub/").split("/")
        if model == "gated" and self.headers.get("Authorization") != "Bearer hf_token":
            self.send_response(401)
            self.send_header("X-Error-Code", "GatedRepo")
            self.send_header("X-Error-Message", "Access to this model is restricted.")
            self.end_headers()
        elif model == "down":
            self.send_error(503)
        elif revision not in ("main", COMMIT) or file not in MODEL:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound" if file not in MODEL else "RevisionNotFound")
            self.end_headers()
        else:
            etag = hashlib.sha256(MODEL[file]).hexdigest()
            self.answer(MODEL[file], len(MODEL[file]), headers={"X-Repo-Commit": COMMIT, "ETag": f'"{etag}"'})

    def answer(self, content: bytes, announced: int, status: int = 200, headers: Any = ()) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(announced))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Its address; no cache or token of this machine is used, and the client's pauses are short."""
    for name in ("HF_TOKEN", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)
    Handler.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.mark.parametrize("kind", ["good", "moved", "without-length"])
def test_a_file_arrives_whole_and_alone(server: str, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "new" / "weights.pt"
    fetch(f"{server}/{kind}.pt", target, sha256_prefix=DIGEST[:8])
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["weights.pt"]
    assert target.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("gone", "404"),
        ("cut", f"received {HALF} bytes, expected {len(CONTENT)}"),
        ("login", "no .pt file"),
        ("lured", "has an unsupported protocol"),
    ],
)
def test_a_failure_is_explained_and_leaves_nothing_behind(
    server: str, tmp_path: Path, kind: str, reason: str
) -> None:
    target = tmp_path / "new" / "weights.pt"
    with pytest.raises(WeightsError) as caught:
        fetch(f"{server}/{kind}.pt", target, hint="put it there yourself")
    assert reason in str(caught.value)
    assert str(target) in str(caught.value)
    assert f"{server}/{kind}.pt" in str(caught.value)
    assert "put it there yourself" in str(caught.value)
    assert list(target.parent.iterdir()) == []


def test_a_content_with_another_hash_is_refused(server: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"sha256 {DIGEST[:16]}.*expected 0badc0de"):
        fetch(f"{server}/good.pt", tmp_path / "new" / "weights.pt", sha256_prefix="0badc0de")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_failure_leaves_the_existing_file(server: str, tmp_path: Path) -> None:
    target = tmp_path / "weights.pt"
    target.write_bytes(b"before")
    with pytest.raises(WeightsError):
        fetch(f"{server}/cut.pt", target)
    assert target.read_bytes() == b"before"


def test_an_interrupted_transfer_is_continued(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    fetch(f"{server}/cut-once.pt", tmp_path / "weights.pt", sha256_prefix=DIGEST[:8])
    ranges = [wanted for method, _, wanted, _ in Handler.requests if method == "GET"]
    assert ranges == [None, f"bytes={HALF // 1000 * 1000}-"]


def test_progress_is_reported_in_bytes_of_the_total(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 100_000)
    reported: list[tuple[str, int, int | None]] = []
    with download_progress(lambda *progress: reported.append(progress)):
        fetch(f"{server}/good.pt", tmp_path / "weights.pt")
    fetch(f"{server}/good.pt", tmp_path / "unobserved.pt")
    total = len(CONTENT)
    assert reported == [("weights.pt", done, total) for done in (100_000, 200_000, total)]


def test_a_closed_port_fails_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(WeightsError, match="refused"):
        fetch(f"http://127.0.0.1:{port}/weights.pt", tmp_path / "weights.pt")
    assert time.monotonic() - begun < 2


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(WeightsError, match=r"timed out|no answer within 0\.3 s"):
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pt", tmp_path / "weights.pt")
        assert time.monotonic() - begun < 2


def test_a_slow_name_look_up_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket time-out covers a name look-up; a dead name server holds it for long."""
    released = threading.Event()

    def look_up(*args: object, **kwargs: object) -> list[object]:
        released.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(download, "CONNECT_S", 0.3)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    begun = time.monotonic()
    with pytest.raises(WeightsError, match="no answer within"):
        fetch("http://weights.invalid/weights.pt", tmp_path / "weights.pt")
    assert time.monotonic() - begun < 2
    released.set()
    for thread in threading.enumerate():
        if thread.name == "bench-download":
            thread.join(5)


def test_offline_mode_asks_nobody(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        fetch(f"{server}/good.pt", tmp_path / "weights.pt")
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        fetch_from_hub("org/model", "main", tuple(MODEL), endpoint=f"{server}/hub", target=tmp_path, hint="")
    assert Handler.requests == []


def test_only_http_addresses_are_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret.pt"
    secret.write_bytes(CONTENT)
    with pytest.raises(WeightsError, match="missing an 'http://' or 'https://' protocol"):
        fetch(secret.as_uri(), tmp_path / "weights.pt")


def test_a_full_disk_is_named(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(RunError, match="disk is full"):
        fetch(f"{server}/good.pt", tmp_path / "new" / "weights.pt")
    assert list((tmp_path / "new").iterdir()) == []


def test_what_a_killed_download_left_is_deleted_a_day_later(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, fresh = tmp_path / ".weights.pt.killed", tmp_path / ".weights.pt.running"
    left.write_bytes(CONTENT[:HALF])
    fresh.write_bytes(CONTENT[:HALF])
    day_before = time.time() - 25 * 3600
    os.utime(left, (day_before, day_before))
    fetch(f"{server}/good.pt", tmp_path / "weights.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".weights.pt.running", "weights.pt"]


def test_several_processes_may_fetch_the_same_file_at_once(server: str, tmp_path: Path) -> None:
    target = tmp_path / "new" / "weights.pt"
    threads = [threading.Thread(target=fetch, args=(f"{server}/good.pt", target)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert len(list(target.parent.iterdir())) == 1


def hub(server: str, tmp_path: Path, model: str = "org/model", revision: str = "main", **others: Any) -> Path:
    names = others.pop("names", tuple(MODEL))
    target = tmp_path / "weights" / model
    return fetch_from_hub(model, revision, names, endpoint=f"{server}/hub", target=target, hint="by hand")


def test_a_model_of_the_hub_lands_in_the_hubs_cache(server: str, tmp_path: Path) -> None:
    folder = hub(server, tmp_path)
    assert folder == tmp_path / "hf/hub/models--org--model/snapshots" / COMMIT
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == MODEL
    assert (tmp_path / "hf/hub/models--org--model/refs/main").read_text() == COMMIT


def test_all_files_of_a_model_come_from_one_commit(server: str, tmp_path: Path) -> None:
    hub(server, tmp_path)
    gets = [path for method, path, _, _ in Handler.requests if method == "GET"]
    assert gets[-1].endswith(f"/resolve/{COMMIT}/model.safetensors")
    heads = [path for method, path, _, _ in Handler.requests if "config.json" in path]
    assert heads[0].endswith("/resolve/main/config.json")


def test_a_gated_model_needs_a_token(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=r"gated.*Access to this model is restricted") as caught:
        hub(server, tmp_path, "org/gated")
    text = str(caught.value)
    assert str(tmp_path / "weights/org/gated/config.json") in text and "by hand" in text
    monkeypatch.setenv("HF_TOKEN", "hf_token")
    assert (hub(server, tmp_path, "org/gated") / "config.json").is_file()


@pytest.mark.parametrize(
    ("revision", "names"), [("no such branch", tuple(MODEL)), ("main", ("config.json", "pytorch_model.bin"))]
)
def test_a_revision_or_file_that_the_model_lacks_is_named(
    server: str, tmp_path: Path, revision: str, names: tuple[str, ...]
) -> None:
    with pytest.raises(WeightsError, match="404") as caught:
        hub(server, tmp_path, revision=revision, names=names)
    assert ("no%20such%20branch" if revision != "main" else names[1]) in str(caught.value)


def test_a_hub_that_does_not_answer_fails_at_once(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(WeightsError, match="refused"):
        hub("http://127.0.0.1:9", tmp_path)
    assert time.monotonic() - begun < 2


def test_an_error_of_the_hubs_server_is_named(server: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="503"):
        hub(server, tmp_path, "org/down")


def test_an_address_that_is_no_hub_is_refused(server: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="HF_ENDPOINT"):
        fetch_from_hub("org/model", "main", tuple(MODEL), endpoint=server, target=tmp_path, hint=None)


def test_progress_of_a_model_is_reported_by_file(server: str, tmp_path: Path) -> None:
    reported: list[tuple[str, int, int | None]] = []
    with download_progress(lambda *progress: reported.append(progress)):
        hub(server, tmp_path)
    assert reported == [(name, len(content), len(content)) for name, content in MODEL.items()]


@pytest.mark.parametrize(
    ("suffix", "head", "fits"),
    [
        (".pt", b"PK\x03\x04rest of the zip", True),
        (".pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8", True),  # torch's format before 1.6
        (".pth", b"<html>and so on .", False),
        (".safetensors", (64).to_bytes(8, "little") + b'{"a":{}}', True),
        (".safetensors", b"version https://git-lfs", False),
        (".json", b'  {"model_type": 1}', True),
        (".json", b"<html>", False),
        (".pt", b"", False),
        (".yaml", b"anything", True),
    ],
)
def test_the_first_bytes_tell_a_log_in_page_from_weights(
    tmp_path: Path, suffix: str, head: bytes, fits: bool
) -> None:
    path = tmp_path / "file"
    path.write_bytes(head)
    assert looks_like(path, suffix) is fits
