"""Writing so that a reader never sees half a file, and hashing."""

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
"""What a system answers where nothing may, or can, be written."""

_STALE_S = 24 * 3600.0
"""Age in seconds from which a temporary belongs to nobody: no write takes a day."""


@contextlib.contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """One process at a time works on `folder`, a `what`. The lock goes with its process, however that ends.

    Raises RunError where another one does.
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
    """Turn what the system says against writing `path` into a RunError that names it.

    That is a full disk, or a place where writing is refused or impossible; an error about a file that lies
    elsewhere, and any other error, passes.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(path) from error
        if error.errno not in _REFUSED or not _concerns(error, path):
            raise
        in_the_way = error.errno in (errno.EEXIST, errno.ENOTDIR)
        reason = "a file stands where a folder is wanted" if in_the_way else error.strerror
        raise RunError(
            f"can't be written: {reason}",
            file=path,
            value=None if error.filename in (None, str(path)) else str(error.filename),
            hint="choose another folder that you may write to (`cache` for data, `runs` for runs, "
            "BENCH_HOME for weights), or mend this one",
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
    """The one message for a full disk."""
    return RunError(
        "the disk is full; what was being written has been taken away again",
        file=path,
        hint="free some space and go on with the same command (a run: bench run --resume RUN)",
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A fresh neighbour of `path` to write to: it takes that name if the block ends well, and goes if not."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        try:
            yield Path(name)
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
    """Write whole or not at all: to a neighbour first, then renamed over `path`."""
    with replacing(path) as fresh:
        fresh.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Atomic JSON; NaN and infinities are refused, because other readers can't read them."""
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Hex digest of a file's content, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
