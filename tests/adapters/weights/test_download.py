import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.adapters.weights import download
from bench.adapters.weights.download import fetch, looks_like
from bench.errors import RunError, WeightsError

CONTENT = b"PK\x03\x04" + bytes(range(256)) * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
LOGIN_PAGE = b"<!doctype html><title>Welcome to our network</title>"


class Handler(BaseHTTPRequestHandler):
    """A publisher with all the moods that one meets."""

    def do_GET(self) -> None:
        mood = self.path.strip("/").partition(".")[0]
        if mood == "gone":
            self.send_error(404)
        elif mood == "moved":
            self.send_response(302)
            self.send_header("Location", "/good.pt")
            self.end_headers()
        elif mood == "lured":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
        elif mood == "login":
            self.answer(LOGIN_PAGE, len(LOGIN_PAGE))
        elif mood == "cut":
            self.answer(CONTENT[: len(CONTENT) // 2], len(CONTENT))
        elif mood == "chunked":
            self.send_response(200)
            self.end_headers()  # no length: the end is where the connection closes
            self.wfile.write(CONTENT)
        else:
            self.answer(CONTENT, len(CONTENT))

    def answer(self, content: bytes, announced: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(announced))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def publisher() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("mood", ["good", "moved", "chunked"])
def test_a_file_arrives_whole_and_alone(publisher: str, tmp_path: Path, mood: str) -> None:
    target = tmp_path / "new" / "weights.pt"
    assert fetch(f"{publisher}/{mood}.pt", target, sha256_prefix=DIGEST[:8]) == DIGEST
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["weights.pt"]


@pytest.mark.parametrize(
    ("mood", "reason"),
    [
        ("gone", "404"),
        ("cut", f"broke off after {len(CONTENT) // 2} of {len(CONTENT)} bytes"),
        ("login", "no .pt file"),
        ("lured", "not allowed"),
    ],
)
def test_nothing_is_left_of_a_failure(publisher: str, tmp_path: Path, mood: str, reason: str) -> None:
    target = tmp_path / "weights.pt"
    with pytest.raises(WeightsError) as caught:
        fetch(f"{publisher}/{mood}.pt", target, hint="put it there yourself")
    assert reason in str(caught.value)
    assert str(target) in str(caught.value)
    assert f"{publisher}/{mood}.pt" in str(caught.value)
    assert "put it there yourself" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_another_content_than_the_hash_says_is_refused(publisher: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=f"sha256 {DIGEST[:16]}.*expected 0badc0de"):
        fetch(f"{publisher}/good.pt", tmp_path / "weights.pt", sha256_prefix="0badc0de")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_file_of_before(publisher: str, tmp_path: Path) -> None:
    target = tmp_path / "weights.pt"
    target.write_bytes(b"before")
    with pytest.raises(WeightsError):
        fetch(f"{publisher}/cut.pt", target)
    assert target.read_bytes() == b"before"


def test_a_closed_port_fails_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begun = time.monotonic()
    with pytest.raises(WeightsError, match="not reachable"):
        fetch(f"http://127.0.0.1:{port}/weights.pt", tmp_path / "weights.pt")
    assert time.monotonic() - begun < 2


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        with pytest.raises(WeightsError, match=r"no answer within 0\.3 s"):
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/weights.pt", tmp_path / "weights.pt")
        assert time.monotonic() - begun < 2


def test_a_name_that_resolves_slowly_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_only_the_web_is_asked(tmp_path: Path) -> None:
    secret = tmp_path / "secret.pt"
    secret.write_bytes(CONTENT)
    with pytest.raises(WeightsError, match="not an http or https address"):
        fetch(secret.as_uri(), tmp_path / "weights.pt")


def test_a_full_disk_is_named(publisher: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download._Transfer, "_copy", full)
    with pytest.raises(RunError, match="disk is full"):
        fetch(f"{publisher}/good.pt", tmp_path / "weights.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("suffix", "head", "fits"),
    [
        (".pt", b"PK\x03\x04rest of the zip", True),
        (".pth", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8", True),  # torch's form before 1.6
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
    path = tmp_path / "part"
    path.write_bytes(head)
    assert looks_like(path, suffix) is fits


def test_two_fetch_the_same_at_once(publisher: str, tmp_path: Path) -> None:
    target = tmp_path / "weights.pt"
    run: Callable[[], object] = lambda: fetch(f"{publisher}/good.pt", target)  # noqa: E731
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert len(list(tmp_path.iterdir())) == 1
