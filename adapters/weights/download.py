"""One file from a web server to disk, whole or not at all, and quick to say that nothing answers."""

import hashlib
import http.client
import logging
import os
import tempfile
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from bench.errors import WeightsError
from bench.files import full_disk_is_an_error

CONNECT_S = 6.0
"""Longest wait for an answer's first line: name look-up, proxies and redirects included."""

STALL_S = 20.0
"""Longest silence within a transfer that has begun."""

_CHUNK = 1 << 20
_AGENT = "bench-detectors"

_log = logging.getLogger(__name__)


def fetch(url: str, target: Path, *, sha256_prefix: str = "", mend: str | None = None) -> str:
    """Download `url` to `target`; returns the sha256 of what arrived.

    The bytes go to a neighbour of `target`, are checked there (length, hash, kind of file), and are renamed
    over `target` last. Proxies are those of the environment.

    Raises:
        WeightsError: nothing answers, the server refuses, the transfer breaks, or the content is another's.
            It names `target`, `url` and `mend`.
        RunError: the disk is full.
    """
    _log.info("fetching %s -> %s", url, target)
    try:
        response = _open(url)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failure(target, url, _reason(error), mend) from None
    with response, full_disk_is_an_error(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        part = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                digest = _copy(response, file, target, url, mend)
            if not digest.startswith(sha256_prefix):
                reason = f"what arrived has sha256 {digest[:16]}…, expected {sha256_prefix}…"
                raise _failure(target, url, reason, mend)
            if not looks_like(part, target.suffix):
                reason = f"what arrived is no {target.suffix} file (a log-in page of the network?)"
                raise _failure(target, url, reason, mend)
            part.chmod(0o644)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return digest


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


def _open(url: str) -> Any:
    """The answer, once its head is there. A thread does it, because a name look-up knows no time-out."""
    if not url.startswith(("http://", "https://")):
        raise ValueError("not an http or https address")
    outcome: list[Any] = []
    lock = threading.Lock()
    abandoned = False

    def ask() -> None:
        request = urllib.request.Request(url, headers={"User-Agent": _AGENT})
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


def _copy(response: Any, file: Any, target: Path, url: str, mend: str | None) -> str:
    """Everything the server announced, to `file`; its sha256."""
    announced = response.headers.get("Content-Length")
    digest = hashlib.sha256()
    arrived = 0
    while True:
        try:
            piece = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _failure(target, url, f"broke off after {arrived} bytes: {_reason(error)}", mend) from None
        if not piece:
            break
        arrived += len(piece)
        digest.update(piece)
        file.write(piece)
    if announced is not None and arrived != int(announced):
        raise _failure(target, url, f"broke off after {arrived} of {announced} bytes", mend)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"the server says {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"not reachable: {error.reason}"
    return str(error) or type(error).__name__


def _failure(target: Path, url: str, reason: str, mend: str | None) -> WeightsError:
    return WeightsError(f"could not be downloaded from {url}: {reason}", file=target, mend=mend)
