"""Downloads that are cut: what survives, and what the next one asks for."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bench.adapters.weights import download
from bench.adapters.weights.download import fetch, telling
from bench.errors import WeightsError

FIRST = b"PK\x03\x04" + bytes(range(256)) * 1000
SECOND = b"PK\x03\x04" + bytes(reversed(range(256))) * 1000
HALF = len(FIRST) // 2


@dataclass
class Publisher:
    """A server that a test can change under way."""

    content: bytes = FIRST
    ranges: bool = True
    etag: str | None = '"one"'
    changed: str | None = None
    cut_at: list[int] = field(default_factory=list)
    """Bytes of the body after which the next answers break off; afterwards they are whole."""
    lies: str | None = None
    """A Content-Range to send in place of the right one."""
    asked: list[tuple[str | None, str | None]] = field(default_factory=list)
    """Range and If-Range of every request."""
    url: str = ""


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setattr(download, "TRIES", 1)
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted, condition = self.headers.get("Range"), self.headers.get("If-Range")
            state.asked.append((wanted, condition))
            begin = 0
            if wanted and state.ranges and condition in (state.etag, state.changed):
                begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
                if begin >= len(state.content):
                    self.send_error(416)
                    return
                self.send_response(206)
                last = len(state.content) - 1
                right = f"bytes {begin}-{last}/{len(state.content)}"
                self.send_header("Content-Range", state.lies or right)
            else:
                self.send_response(200)
            for name, value in (("ETag", state.etag), ("Last-Modified", state.changed)):
                if value:
                    self.send_header(name, value)
            body = state.content[begin:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cut_at.pop(0)] if state.cut_at else body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/yolov8n.pt"
        yield state
        server.shutdown()


def cut(publisher: Publisher, target: Path, after: int = HALF) -> None:
    publisher.cut_at.append(after)
    with pytest.raises(WeightsError, match=f"broke off after {after} of {len(publisher.content)} bytes"):
        fetch(publisher.url, target)
    publisher.asked.clear()


def test_a_cut_download_goes_on_where_it_broke_off(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    assert not target.exists()
    assert (tmp_path / "yolov8n.pt.part").read_bytes() == FIRST[:HALF]
    assert fetch(publisher.url, target) == hashlib.sha256(FIRST).hexdigest()
    assert publisher.asked == [(f"bytes={HALF}-", '"one"')]
    assert target.read_bytes() == FIRST
    assert [path.name for path in tmp_path.iterdir()] == ["yolov8n.pt"]


def test_the_error_says_that_the_next_try_goes_on(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cut_at = [HALF]
    with pytest.raises(WeightsError, match=f"{HALF} bytes are kept, the next try goes on"):
        fetch(publisher.url, tmp_path / "yolov8n.pt")


def test_a_file_that_has_changed_is_fetched_anew(publisher: Publisher, tmp_path: Path) -> None:
    """Never half of one and half of the other: If-Range makes the server send all of the new one."""
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    publisher.content, publisher.etag = SECOND, '"two"'
    fetch(publisher.url, target)
    assert publisher.asked == [(f"bytes={HALF}-", '"one"')]
    assert target.read_bytes() == SECOND


def test_a_server_without_ranges_sends_all_of_it(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    publisher.ranges = False
    fetch(publisher.url, target)
    assert target.read_bytes() == FIRST


def test_the_date_of_the_last_change_will_do(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    publisher.etag, publisher.changed = 'W/"weak"', "Fri, 20 Nov 2020 08:00:00 GMT"
    cut(publisher, target)
    fetch(publisher.url, target)
    assert publisher.asked == [(f"bytes={HALF}-", "Fri, 20 Nov 2020 08:00:00 GMT")]
    assert target.read_bytes() == FIRST


def test_a_content_without_a_version_is_not_gone_on_with(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    publisher.etag = None
    cut(publisher, target)
    assert list(tmp_path.iterdir()) == []
    fetch(publisher.url, target)
    assert publisher.asked == [(None, None)]


def test_a_part_of_another_address_is_not_gone_on_with(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    publisher.content = SECOND
    fetch(publisher.url.replace("yolov8n", "yolov8s"), target)
    assert publisher.asked == [(None, None)]
    assert target.read_bytes() == SECOND


def test_a_kill_between_the_last_byte_and_the_renaming_is_mended(
    publisher: Publisher, tmp_path: Path
) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    (tmp_path / "yolov8n.pt.part").write_bytes(FIRST)
    fetch(publisher.url, target)
    assert target.read_bytes() == FIRST
    assert publisher.asked == [(f"bytes={len(FIRST)}-", '"one"'), (None, None)]


def test_a_mangled_note_beside_the_part_is_no_obstacle(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    (tmp_path / "yolov8n.pt.part.json").write_text("{")
    fetch(publisher.url, target)
    assert target.read_bytes() == FIRST


def test_another_part_than_was_asked_for_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    publisher.lies = f"bytes 0-{HALF}/{len(FIRST)}"
    with pytest.raises(WeightsError, match="another part than was asked for"):
        fetch(publisher.url, target)
    assert not target.exists()


def test_what_arrived_in_two_parts_is_checked_as_a_whole(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    publisher.content = SECOND  # under the old ETag: a server that lies
    with pytest.raises(WeightsError, match="expected"):
        fetch(publisher.url, target, sha256_prefix=hashlib.sha256(FIRST).hexdigest()[:8])
    assert list(tmp_path.iterdir()) == []


def test_one_call_goes_on_by_itself_while_bytes_arrive(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TRIES", 3)
    publisher.cut_at = [1000, 2000]
    fetch(publisher.url, tmp_path / "yolov8n.pt")
    assert [wanted for wanted, _ in publisher.asked] == [None, "bytes=1000-", "bytes=3000-"]
    assert (tmp_path / "yolov8n.pt").read_bytes() == FIRST


def test_progress_is_told_in_bytes_of_the_whole(publisher: Publisher, tmp_path: Path) -> None:
    target = tmp_path / "yolov8n.pt"
    cut(publisher, target)
    told: list[tuple[str, int, int | None]] = []
    with telling(lambda name, done, total: told.append((name, done, total))):
        fetch(publisher.url, target)
    fetch(publisher.url, tmp_path / "unheard.pt")
    assert {(name, total) for name, _, total in told} == {("yolov8n.pt", len(FIRST))}
    assert told[0][1] > HALF and told[-1][1] == len(FIRST)
