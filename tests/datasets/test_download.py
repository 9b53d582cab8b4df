"""Downloads from a local server that is slow, cuts off, redirects, refuses and sends web pages as images."""

import io
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.download import Manners, Outcome, Remote, download, image_problem
from bench.errors import DataError

SIZE = (64, 48)
QUICK = Manners(parallel=4, attempts=4, first_wait_s=0.01, longest_wait_s=0.5, timeout_s=1.0, longest_s=0.4)


def jpeg(size: tuple[int, int] = SIZE, orientation: int = 1) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    target, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(noise).save(target, "JPEG", quality=95, exif=exif)
    return target.getvalue()


GOOD = jpeg()


class Server(ThreadingHTTPServer):
    """Answers by the first part of the path; counts requests and remembers their Range."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: Counter[str] = Counter()
        self.ranges: list[str | None] = []
        self.times: list[float] = []
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{path}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, kind = self.server, self.path.split("/")[1]
        with server.lock:
            server.asked[kind] += 1
            asked = server.asked[kind]
            server.ranges.append(self.headers.get("Range"))
            server.times.append(time.monotonic())
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            self._answer(kind, asked)
        except OSError:
            pass  # the client has gone
        finally:
            with server.lock:
                server.at_once -= 1

    def _answer(self, kind: str, asked: int) -> None:
        if kind in ("404", "410", "500") or (kind in ("once429", "once500") and asked == 1):
            after = {"Retry-After": "1"} if kind != "once500" else {}
            self._send(int(kind[-3:]), b"no", "text/plain", after)
        elif kind == "redirect":
            self._send(302, b"", "text/plain", {"Location": "/good/1"})
        elif kind == "loop":
            self._send(302, b"", "text/plain", {"Location": "/loop/1"})
        elif kind == "html":
            self._send(200, b"<html>gone</html>", "text/html")
        elif kind == "html-as-jpeg":
            self._send(200, b"<html>gone</html>", "image/jpeg")
        elif kind == "small":
            self._send(200, jpeg((32, 24)), "image/jpeg")
        elif kind == "turned":
            self._send(200, jpeg((48, 64), orientation=6), "image/jpeg")
        elif kind in ("cut", "cut-no-range"):
            self._partly(ranges=kind == "cut", asked=asked)
        elif kind == "slow":
            self._partly(ranges=True, asked=asked, pause=0.25)
        else:
            time.sleep(0.02)
            self._send(200, GOOD, "image/jpeg")

    def _partly(self, *, ranges: bool, asked: int, pause: float = 0.0) -> None:
        """All from `Range` on: slowly with a `pause`, else only a third of it on the first two requests."""
        first = int((self.headers.get("Range") or "bytes=0-")[6:-1]) if ranges else 0
        self.send_response(206 if first else 200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(GOOD) - first))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(GOOD) - 1}/{len(GOOD)}")
        self.end_headers()
        if asked > 2:
            self.wfile.write(GOOD[first:])
            return
        end = len(GOOD) if pause else first + len(GOOD) // 3
        for start in range(first, end, 2000):
            self.wfile.write(GOOD[start : min(start + 2000, end)])
            self.wfile.flush()
            time.sleep(pause)
        self.close_connection = True

    def _send(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()


def fetch(server: Server, folder: Path, *kinds: str, manners: Manners = QUICK) -> dict[str, Outcome]:
    remotes = [Remote(f"batch/{kind}.jpg", server.url(f"{kind}/1"), SIZE) for kind in kinds]
    found = download(remotes, folder, lambda *_: None, manners)
    assert [outcome.remote for outcome in found] == remotes
    return dict(zip(kinds, found, strict=True))


def test_what_is_there_is_fetched_once(server: Server, tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    remotes = [Remote(f"b/{n}.jpg", server.url(f"good/{n}"), SIZE) for n in range(6)]
    found = download(
        remotes, tmp_path, lambda one, done, total: seen.append((one.status, done, total)), QUICK
    )
    assert [one.status for one in found] == ["fetched"] * 6
    assert seen == [("fetched", number, 6) for number in range(1, 7)]
    assert all((tmp_path / remote.name).read_bytes() == GOOD for remote in remotes)
    assert [one.status for one in download(remotes, tmp_path, lambda *_: None, QUICK)] == ["present"] * 6
    assert server.asked["good"] == 6
    assert not list(tmp_path.rglob("*.part"))


def test_what_is_gone_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    found = fetch(server, tmp_path, "404", "410", "html", "loop")
    assert {kind: one.status for kind, one in found.items()} == dict.fromkeys(found, "gone")
    assert found["404"].reason == "the server answered 404"
    assert found["html"].reason == "the server sent a web page instead"
    assert (server.asked["404"], server.asked["410"], server.asked["html"]) == (1, 1, 1)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_is_not_the_image_is_asked_for_twice_and_not_kept(server: Server, tmp_path: Path) -> None:
    found = fetch(server, tmp_path, "html-as-jpeg", "small")
    assert found["html-as-jpeg"].reason == "is not an image that opens"
    assert found["small"].reason == "has 32 x 24 pixels, annotated are 64 x 48"
    assert (server.asked["html-as-jpeg"], server.asked["small"]) == (2, 2)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_errors_of_the_moment_are_tried_again(server: Server, tmp_path: Path) -> None:
    found = fetch(server, tmp_path, "once500", "redirect", "500")
    assert (found["once500"].status, found["redirect"].status) == ("fetched", "fetched")
    assert (found["500"].status, found["500"].reason) == ("gone", "the server answered 500")
    assert (server.asked["once500"], server.asked["500"]) == (2, QUICK.attempts)


def test_a_server_that_asks_for_a_pause_gets_it_from_all_connections(server: Server, tmp_path: Path) -> None:
    one_by_one = Manners(parallel=1, attempts=3, first_wait_s=0.01, longest_wait_s=0.5)
    found = fetch(server, tmp_path, "once429", "good", manners=one_by_one)
    assert {one.status for one in found.values()} == {"fetched"}
    assert server.times[1] - server.times[0] > 0.4  # Retry-After: 1, cut to longest_wait_s


@pytest.mark.parametrize("kind", ["cut", "slow"])
def test_an_interrupted_transfer_is_continued(server: Server, tmp_path: Path, kind: str) -> None:
    assert fetch(server, tmp_path, kind)[kind].status == "fetched"
    assert (tmp_path / f"batch/{kind}.jpg").read_bytes() == GOOD
    assert server.ranges[0] is None
    assert len(server.ranges) > 1
    starts = [int(one[6:-1]) for one in server.ranges[1:] if one]
    assert len(starts) == len(server.ranges) - 1 and starts == sorted(starts) and starts[0] > 0


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path, "cut-no-range")["cut-no-range"].status == "fetched"
    assert (tmp_path / "batch/cut-no-range.jpg").read_bytes() == GOOD


def test_what_another_process_left_is_continued(server: Server, tmp_path: Path) -> None:
    part = tmp_path / "batch" / "cut.jpg.part"
    part.parent.mkdir()
    part.write_bytes(GOOD[:1000])
    server.asked["cut"] = 2  # sends all that is asked for
    assert fetch(server, tmp_path, "cut")["cut"].status == "fetched"
    assert server.ranges == ["bytes=1000-"]
    assert (tmp_path / "batch/cut.jpg").read_bytes() == GOOD


def test_a_broken_file_from_before_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "batch").mkdir()
    (tmp_path / "batch/good.jpg").write_bytes(GOOD[:500])
    assert fetch(server, tmp_path, "good")["good"].status == "fetched"


def test_exif_turns_the_annotated_size(server: Server, tmp_path: Path) -> None:
    assert fetch(server, tmp_path, "turned")["turned"].status == "fetched"
    assert image_problem(tmp_path / "batch/turned.jpg", (48, 64)) == ""
    assert "annotated are 50 x 60" in image_problem(tmp_path / "batch/turned.jpg", (50, 60))


def test_no_more_connections_than_allowed(server: Server, tmp_path: Path) -> None:
    remotes = [Remote(f"{n}.jpg", server.url(f"good/{n}"), SIZE) for n in range(12)]
    download(remotes, tmp_path, lambda *_: None, Manners(parallel=2))
    assert server.most_at_once == 2


@pytest.mark.parametrize("name", ["../out.jpg", "/tmp/out.jpg", "a/../../out.jpg", "a\\b.jpg", ""])
def test_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="is no file below the folder"):
        download([Remote(name, "http://127.0.0.1:1/x", None)], tmp_path / "in", lambda *_: None)
    assert not list(tmp_path.iterdir())


def test_no_server_at_all(tmp_path: Path) -> None:
    (found,) = download([Remote("a.jpg", "http://127.0.0.1:9/x", None)], tmp_path, lambda *_: None, QUICK)
    assert found.status == "gone" and "ConnectError" in found.reason
    (found,) = download([Remote("a.jpg", "file:///etc/passwd", None)], tmp_path, lambda *_: None, QUICK)
    assert found.status == "gone"
