"""The part of a download that has arrived: one process holds it, and a later one goes on with it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import files


@dataclass(frozen=True)
class Part:
    """NAME.part and NAME.part.json beside NAME, the `target`."""

    target: Path

    @property
    def path(self) -> Path:
        return self.target.with_name(self.target.name + ".part")

    @property
    def about(self) -> Path:
        return self.target.with_name(self.target.name + ".part.json")

    @property
    def size(self) -> int:
        """Bytes that have arrived."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @contextlib.contextmanager
    def held(self) -> Iterator["Part"]:
        """For this process alone, waiting for another that holds it; afterwards nothing empty is left."""
        self.target.parent.mkdir(parents=True, exist_ok=True)
        handle = self._locked()
        try:
            yield self
        finally:
            if not self.size and _same(handle, self.path):
                self.drop()
            os.close(handle)

    def _locked(self) -> int:
        """A locked handle of the file that bears the name now: while waiting, it may have become `target`."""
        while True:
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _same(handle, self.path):
                return handle
            os.close(handle)

    def validator(self, url: str) -> str | None:
        """What the server called the content, where the part came from `url`."""
        try:
            told = json.loads(self.about.read_text(encoding="utf-8"))
            return str(told["validator"]) if told["url"] == url and told["validator"] else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def describe(self, url: str, validator: str | None) -> None:
        """Say what this is a part of."""
        files.write_json(self.about, {"url": url, "validator": validator})

    def keep_if_it_can_go_on(self) -> bool:
        """Whether a later request can ask for the rest; a part that can't be gone on with is emptied."""
        try:
            kept = bool(json.loads(self.about.read_text(encoding="utf-8"))["validator"])
        except (OSError, ValueError, KeyError, TypeError):
            kept = False
        if not kept:
            self.empty()
        return kept

    def empty(self) -> None:
        """Begin anew, in the same file: others may be waiting for it."""
        if self.path.is_file():
            os.truncate(self.path, 0)
        self.about.unlink(missing_ok=True)

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def become_target(self) -> None:
        """The last step of a download that is whole."""
        self.path.chmod(0o644)
        self.path.replace(self.target)
        self.about.unlink(missing_ok=True)


def _same(handle: int, path: Path) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    held = os.fstat(handle)
    return (held.st_dev, held.st_ino) == (there.st_dev, there.st_ino)
