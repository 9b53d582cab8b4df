"""Atomic writing, locking and hashing of files."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.errors import BenchError, RunError

_CHUNK = 1 << 20


_FULL = (errno.ENOSPC, errno.EDQUOT)

_REFUSED = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENOENT,
    errno.ENAMETOOLONG,
)
"""Error numbers for places that can't be written to."""

_STALE_S = 24 * 3600.0
"""Age in seconds after which a temporary folder is abandoned: no write takes a day."""


@contextlib.contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Lock `folder`, a `what`, for this process. The lock ends with the process, even if it is killed.

    Raises RunError if another process holds it.
    """
    path = folder / ".lock"
    with writing(path):
        opened = path.open("w")
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another process is working on this {what}", file=folder, hint="wait for it, or end it"
            ) from None
        yield


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError about writing `path` into a RunError that names it.

    This covers a full disk, and places where writing is refused or impossible. Any other error, and one about
    a file elsewhere, passes through.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(path) from error
        if error.errno not in _REFUSED or not _concerns(error, path):
            raise
        in_the_way = error.errno in (errno.EEXIST, errno.ENOTDIR)
        reason = "a file is in the place of a folder" if in_the_way else error.strerror
        raise RunError(
            f"can't be written: {reason}",
            file=path,
            value=None if error.filename in (None, str(path)) else str(error.filename),
            hint="choose another folder that you may write to (`cache` for data, `runs` for runs, "
            "BENCH_HOME for weights), or repair this one",
        ) from error


def _concerns(error: OSError, path: Path) -> bool:
    """Whether the file that the error names is `path`, one beside or below it, or a folder above it."""
    named = error.filename2 or error.filename
    if not isinstance(named, (str, os.PathLike)):
        return True
    culprit, wanted = Path(named).absolute(), path.absolute()
    return culprit.is_relative_to(wanted.parent) or wanted.is_relative_to(culprit)


def sweep(folder: Path, pattern: str) -> None:
    """Delete what killed processes left in `folder`: temporary files and folders of that name, a day old."""
    for left in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if left.stat().st_mtime < time.time() - _STALE_S:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def disk_full(path: Path) -> BenchError:
    """The error for a full disk."""
    return RunError(
        "the disk is full; the unfinished file has been removed",
        file=path,
        hint="free some space and repeat the command (for a run: bench run --resume RUN)",
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`: renamed to `path` if the block succeeds, removed if it fails.

    Its content is on the disk before it takes the name: after a power failure `path` is the old file or the
    new one, whole.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            yield Path(name)
            with open(name, "rb") as written:  # noqa: PTH123 -- beside os.fsync
                os.fsync(written.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def draft_folder(parent: Path, name: str) -> Iterator[Path]:
    """A fresh folder `.NAME.XXXXXXXX` below `parent` to fill and rename; removed where it was not renamed."""
    with writing(parent / name):
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=parent))
        try:
            folder.chmod(0o755)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def replacing_folder(path: Path, *, finished: Callable[[], bool] | None = None) -> Iterator[Path]:
    """A fresh neighbour of the folder `path` to fill: it takes that name if the block ends well, and goes if
    not.

    What is at `path` by then is removed; but where `finished` says that another process has completed it
    meanwhile, that one stays. Without `finished`, this is the only process that writes there, and what an
    earlier one left unfinished is removed first.
    """
    if finished is None:
        for left in path.parent.glob(f".{path.name}.????????"):
            shutil.rmtree(left, ignore_errors=True)
        shutil.rmtree(path, ignore_errors=True)
    with draft_folder(path.parent, path.name) as folder:
        yield folder
        try:
            folder.rename(path)
        except OSError:
            if finished is not None and finished():
                return
            shutil.rmtree(path, ignore_errors=True)
            folder.rename(path)


def write_bytes(path: Path, content: bytes) -> None:
    """Write to a temporary file, and rename it to `path`: a reader never sees half of it."""
    with replacing(path) as fresh:
        fresh.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """`write_text` of JSON. NaN and infinities raise ValueError: they are not valid JSON."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Hex digest of a file's content, read in chunks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
