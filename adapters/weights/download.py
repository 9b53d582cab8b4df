"""One file from a web server to disk: whole or not at all, taken up where it broke off, and quick to say
that nothing answers.

    NAME                what is wanted; appears when all of it is there and checked
    NAME.part           what has arrived so far; it survives a cut, a kill and a lost network
    NAME.part.json      which address and which version of the content that is part of
"""

import contextlib
import hashlib
import http.client
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bench import files
from bench.adapters.weights.part import Part
from bench.errors import WeightsError
from bench.files import writing

CONNECT_S = 6.0
"""Longest wait for an answer's first line: name look-up, proxies and redirects included."""

STALL_S = 20.0
"""Longest silence within a transfer that has begun."""

TRIES = 3
"""How often in a row one call goes on with a transfer that breaks off but brings something each time."""

_CHUNK = 1 << 20
_AGENT = "bench-detectors"

_log = logging.getLogger(__name__)

Tell = Callable[[str, int, int | None], None]
"""Hears the file's name, the bytes that are there, and how many there will be (None: nobody says)."""

_listener: ContextVar[Tell | None] = ContextVar("listener", default=None)


@contextlib.contextmanager
def telling(tell: Tell) -> Iterator[None]:
    """Every transfer below tells how far it is: weights are fetched deep inside of planning."""
    token = _listener.set(tell)
    try:
        yield
    finally:
        _listener.reset(token)


def fetch(url: str, target: Path, *, sha256_prefix: str = "", hint: str | None = None) -> str:
    """Download `url` to `target`; returns the sha256 of what arrived.

    The bytes go to a neighbour of `target`, are checked there (length, hash, kind of file), and are renamed
    over `target` last. A transfer that breaks off leaves the neighbour, and the next call asks for the rest
    of it, provided that the server can say whether it still has the same content (RFC 9110, 13.1.5).
    Proxies are those of the environment. Of two that fetch the same, one waits for the other.

    Raises:
        WeightsError: nothing answers, the server refuses, the transfer breaks, or the content is another's.
            It names `target`, `url` and `hint`.
        RunError: the disk is full.
    """
    _log.info("fetching %s -> %s", url, target)
    before = target.stat().st_mtime_ns if target.is_file() else None
    with writing(target), _writable(target), Part(target).held() as part:
        if target.is_file() and target.stat().st_mtime_ns != before:  # whoever held it has brought it
            return files.sha256(target)
        transfer = _Transfer(url, target, part, hint)
        try:
            digest = transfer.run()
            _check(part.path, target, digest, sha256_prefix, transfer)
        except OSError:  # a full disk: the message says that nothing is left
            part.drop()
            raise
        part.become_target()
    return digest


@contextlib.contextmanager
def _writable(target: Path) -> Iterator[None]:
    """A folder that can't be written to is the user's to mend."""
    try:
        yield
    except PermissionError as error:
        hint = "let BENCH_HOME name a folder that you may write to"
        raise WeightsError(f"can't be written: {error.strerror}", file=target, hint=hint) from None


def _check(path: Path, target: Path, digest: str, sha256_prefix: str, transfer: "_Transfer") -> None:
    """Drops what arrived, and raises WeightsError, where it is not what was wanted."""
    if not digest.startswith(sha256_prefix):
        reason = f"what arrived has sha256 {digest[:16]}…, expected {sha256_prefix}…"
    elif not looks_like(path, target.suffix):
        reason = f"what arrived is no {target.suffix} file (a log-in page of the network?)"
    else:
        return
    transfer.part.drop()
    raise transfer.failure(reason)


def looks_like(path: Path, suffix: str) -> bool:
    """Whether the first bytes are those of such a file: .safetensors, .json, .pt and .pth; others pass."""
    with path.open("rb") as file:
        head = file.read(16)
    if suffix == ".safetensors":  # u64 length of a JSON header, then the header
        return len(head) == 16 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32
    if suffix == ".json":
        return head.lstrip()[:1] == b"{"
    if suffix in (".pt", ".pth"):  # a zip, or torch's older form: a pickle of protocol 2 and up
        return head[:4] == b"PK\x03\x04" or head[:1] == b"\x80"
    return True


class _BrokeOffError(Exception):
    """The transfer ended before its end."""


@dataclass(frozen=True)
class _Transfer:
    """From one address into one part."""

    url: str
    target: Path
    part: Part
    hint: str | None

    def run(self) -> str:
        """Everything that the server has, in `part`; its sha256. Goes on after a cut while bytes arrive."""
        for left in reversed(range(TRIES)):
            size = self.part.size
            try:
                return self._once()
            except _BrokeOffError as error:
                grown = self.part.keep_if_it_can_go_on() and self.part.size > size
                if not grown or not left:
                    kept = (
                        f"; {self.part.size} bytes are kept, the next try goes on" if self.part.size else ""
                    )
                    raise self.failure(f"{error}{kept}") from None
        raise AssertionError("the last try returns or raises")

    def failure(self, reason: str) -> WeightsError:
        return WeightsError(
            f"could not be downloaded from {self.url}: {reason}", file=self.target, hint=self.hint
        )

    def _once(self) -> str:
        validator = self.part.validator(self.url)
        response = self._ask(validator)
        if response is None:  # nothing of what the part is part of can be had: from the start
            self.part.empty()
            response = self._ask(None)
        assert response is not None, "only a request for a range is answered by None"
        with response:
            if response.status != 206 or not _goes_on_at(response, self.part.size):
                if response.status == 206:
                    raise self.failure("the server sent another part than was asked for")
                self.part.empty()
            self.part.describe(self.url, _validator_of(response))
            return self._copy(response)

    def _ask(self, validator: str | None) -> Any:
        """The answer; None where the rest of the part can't be had."""
        headers = {"User-Agent": _AGENT}
        if validator is not None and self.part.size:
            headers |= {"Range": f"bytes={self.part.size}-", "If-Range": validator}
        try:
            return _open(self.url, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code == 416 and "Range" in headers:
                error.close()
                return None
            raise self.failure(_reason(error)) from None

    def _copy(self, response: Any) -> str:
        """The rest of the content, appended; the sha256 of all of it. Raises _BrokeOffError."""
        digest = hashlib.sha256()
        tell = _listener.get()
        announced = response.headers.get("Content-Length")
        begun_at = self.part.size
        total = None if announced is None else begun_at + int(announced)
        with self.part.path.open("rb") as before:
            while piece := before.read(_CHUNK):
                digest.update(piece)
        with self.part.path.open("ab") as file:
            arrived = begun_at
            while piece := self._piece(response, arrived, total):
                arrived += len(piece)
                digest.update(piece)
                file.write(piece)
                if tell is not None:
                    tell(self.target.name, arrived, total)
        if total is not None and arrived != total:
            raise _BrokeOffError(f"broke off after {arrived} of {total} bytes")
        return digest.hexdigest()

    def _piece(self, response: IO[bytes], arrived: int, total: int | None) -> bytes:
        """What is there, as it comes, so that a cut costs nothing that had arrived."""
        try:
            return bytes(response.read1(_CHUNK))  # type: ignore[attr-defined]
        except (OSError, http.client.HTTPException) as error:
            of = "" if total is None else f" of {total}"
            raise _BrokeOffError(f"broke off after {arrived}{of} bytes: {_reason(error)}") from None


def _goes_on_at(response: Any, offset: int) -> bool:
    """Whether Content-Range, 'bytes FIRST-LAST/TOTAL', begins there."""
    unit, _, span = str(response.headers.get("Content-Range", "")).partition(" ")
    first = span.partition("-")[0]
    return unit == "bytes" and first.isdecimal() and int(first) == offset


def _validator_of(response: Any) -> str | None:
    """What tells this version of the content from others: a strong ETag, else the date of its last change."""
    etag = response.headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return str(etag)
    changed = response.headers.get("Last-Modified")
    return str(changed) if changed else None


def _open(url: str, headers: dict[str, str]) -> Any:
    """The answer, once its head is there. A thread does it, because a name look-up knows no time-out."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http or https address")
    outcome: list[Any] = []
    lock = threading.Lock()
    abandoned = False

    def ask() -> None:
        request = urllib.request.Request(url, headers=headers)
        try:
            answer: Any = urllib.request.urlopen(request, timeout=STALL_S)
        except Exception as error:
            answer = error
        with lock:
            outcome.append(answer)
            late = abandoned
        if late and not isinstance(answer, Exception):
            answer.close()

    thread = threading.Thread(target=ask, name="bench-download", daemon=True)
    thread.start()
    thread.join(CONNECT_S)
    with lock:
        abandoned = not outcome
    if abandoned:
        raise TimeoutError(f"no answer within {CONNECT_S:g} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server says {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"not reachable: {error.reason}"
    return str(error) or type(error).__name__
