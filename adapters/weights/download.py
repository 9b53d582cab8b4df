"""Downloads of published weights, made by huggingface_hub.

* Models of the Hugging Face hub: `hf_hub_download`, into the hub's own cache. It supports access tokens
  (HF_TOKEN), mirrors (HF_ENDPOINT) and offline mode (HF_HUB_OFFLINE), locks the cache, and writes a file
  whole or not at all.
* Single files of other servers: `http_get` of the same package, into a temporary file that is renamed last.
  It has time-outs, continues an interrupted transfer, and compares the size with what the server announced.
  `torch.hub.download_url_to_file` has no time-out, accepts a truncated file where no hash is known (as for
  YOLO's), reports progress to its own bar alone, and needs torch, which planning does not import.

Ours is what neither of the two does: an error within seconds where no server answers (`_check_answers`), the
checks of the sha256 prefix and of the first bytes, and an error that says where to put the file by hand.
"""

import contextlib
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from bench import files
from bench.adapters.weights.checkpoints import looks_like
from bench.errors import BenchError, WeightsError

CONNECT_S = 6.0
"""Longest wait for a server's first answer: name look-up, proxies and redirects included."""

ProgressCallback = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes that have arrived, and the total (None: the server does not say)."""

_log = logging.getLogger(__name__)
_callback: ContextVar[ProgressCallback | None] = ContextVar("callback", default=None)


@contextlib.contextmanager
def download_progress(callback: ProgressCallback) -> Iterator[None]:
    """Report every download within the block to `callback`: weights are fetched deep inside of planning."""
    token = _callback.set(callback)
    try:
        yield
    finally:
        _callback.reset(token)


def fetch(url: str, target: Path, *, sha256_prefix: str = "", hint: str | None = None) -> None:
    """Download one file from `url` to `target`, which is replaced last, once the content is checked.

    Raises:
        WeightsError: no server answers, it refuses, the transfer breaks off, or the content is not what
            it should be. It names `target`, `url` and `hint`.
        RunError: the disk is full, or the folder can't be written to.
    """
    from huggingface_hub.file_download import http_get

    files.sweep(target.parent, f".{target.name}.*")
    with files.replacing(target) as arriving:
        with _failures(url, target, hint), files.writing(target), arriving.open("wb") as file:
            _check_answers(url)
            http_get(url, file, displayed_filename=target.name, tqdm_class=_progress_bar(target.name))
        if reason := _mismatch(arriving, target.suffix, sha256_prefix):
            raise _failure(url, target, reason, hint)


def fetch_from_hub(
    repo_id: str,
    revision: str,
    names: tuple[str, ...],
    *,
    endpoint: str,
    target: Path,
    hint: str | None = None,
) -> Path:
    """Download files of one commit of a model into the hub's cache; returns the folder that holds them.

    Args:
        repo_id: ORG/MODEL.
        revision: a branch, a tag or a commit.
        names: the files; those after the first are taken from the same commit.
        endpoint: the hub's address, as HF_ENDPOINT has it.
        target: where the files may be put by hand, for the message.

    Raises WeightsError and RunError as `fetch` does.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url

    folder = target
    for name in names:
        url = hf_hub_url(repo_id, name, revision=revision, endpoint=endpoint)
        with _failures(url, target / name, hint), files.writing(target / name):
            _check_answers(url)
            bar = _progress_bar(name)
            path = hf_hub_download(repo_id, name, revision=revision, endpoint=endpoint, tqdm_class=bar)
        folder = Path(path).parent
        revision = folder.name  # the cache names the folder for the commit
    return folder


def _check_answers(url: str) -> None:
    """Raise an exception within CONNECT_S where no server answers at `url`, whatever its answer.

    huggingface_hub repeats a failed request for up to several minutes, and no time-out covers a name look-up:
    hence one request ahead, on a thread that is left behind when it takes too long.
    """
    from huggingface_hub import get_session

    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            get_session().head(url, timeout=CONNECT_S)
        except Exception as error:
            outcome.put(error)
        else:
            outcome.put(None)

    _log.info("asking %s", url)
    threading.Thread(target=ask, name="bench-download", daemon=True).start()
    try:
        error = outcome.get(timeout=CONNECT_S)
    except queue.Empty:
        error = TimeoutError(f"no answer within {CONNECT_S:g} s")
    if error is not None:
        raise error


@contextlib.contextmanager
def _failures(url: str, target: Path, hint: str | None) -> Iterator[None]:
    """Turn whatever huggingface_hub raises into a WeightsError."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # its HTTP client, and with it the classes, differs between its releases
        raise _failure(url, target, _reason(error), hint) from None


def _reason(error: Exception) -> str:
    """huggingface_hub's message in one line; where the hub was not reached, that of the cause."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return " ".join(str(error).split()) or type(error).__name__


def _failure(url: str, target: Path, reason: str, hint: str | None) -> WeightsError:
    return WeightsError(f"could not be downloaded from {url}: {reason}", file=target, hint=hint)


def _mismatch(path: Path, suffix: str, sha256_prefix: str) -> str | None:
    """What is wrong with the content of `path`; None where nothing is."""
    if not looks_like(path, suffix):
        return f"what arrived is no {suffix} file (a log-in page of the network?)"
    if sha256_prefix and not (digest := files.sha256(path)).startswith(sha256_prefix):
        return f"what arrived has sha256 {digest[:16]}…, expected {sha256_prefix}…"
    return None


def _progress_bar(name: str) -> Any:
    """A class with as much of tqdm's interface as huggingface_hub uses, which calls the progress callback."""
    callback = _callback.get()

    class ProgressBar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.total, self.n = total, initial

        def update(self, n: int = 1) -> None:
            self.n += n
            if callback is not None:
                callback(name, self.n, self.total)

        def update_transfer(self, n: int = 1) -> None:
            """Bytes on the network, which its storage service counts apart from those on disk."""

        def set_postfix_str(self, text: str, refresh: bool = True) -> None: ...

        def set_transfer_postfix_str(self, text: str, refresh: bool = True) -> None: ...

        def close(self) -> None: ...

        def __enter__(self) -> "ProgressBar":
            return self

        def __exit__(self, *error: object) -> None: ...

    return ProgressBar
