"""The callback by which long work reports its progress."""

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]
"""Called with (what, done, total)."""


def silent(what: str, done: int, total: int) -> None:
    """Reports nothing."""
