"""What inspecting an image file found, kept by the hash of its content: no file is decoded twice."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_VERSION = 1
"""Incremented when inspecting finds anything else in the same file."""


_SCHEMA = "CREATE TABLE IF NOT EXISTS images (sha256 TEXT PRIMARY KEY, found TEXT)"


class ImageCache:
    """An SQLite file of JSON values by SHA-256. A cache that can't be read or written is not used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fresh: dict[str, str] = {}
        self._known: dict[str, str] = {}
        with contextlib.suppress(sqlite3.Error, OSError), self._connection() as connection:
            self._known = dict(connection.execute("SELECT sha256, found FROM images"))

    def get(self, sha256: str) -> dict[str, Any] | None:
        """The value stored for that content, or None."""
        text = self._known.get(sha256)
        return None if text is None else json.loads(text)

    def put(self, sha256: str, found: Mapping[str, Any]) -> None:
        """Remember a JSON value; `save` writes it."""
        with self._lock:
            self._known[sha256] = self._fresh[sha256] = json.dumps(found)

    def save(self) -> None:
        """Write what is new; safe beside other processes."""
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        if fresh:
            with contextlib.suppress(sqlite3.Error, OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with self._connection() as connection:
                    connection.execute(
                        "CREATE TABLE IF NOT EXISTS images (sha256 TEXT PRIMARY KEY, found TEXT)"
                    )
                    connection.executemany("INSERT OR REPLACE INTO images VALUES (?, ?)", fresh.items())

    @contextlib.contextmanager
    def _connection(self) -> Any:
        path = self._path.with_name(f"{self._path.name}-{_VERSION}.sqlite")
        if not path.parent.is_dir():
            raise OSError(f"no folder {path.parent}")
        connection = sqlite3.connect(path, timeout=20)
        try:
            with connection:
                yield connection
        finally:
            connection.close()
