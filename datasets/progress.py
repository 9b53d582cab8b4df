"""How long work tells of itself."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""What is done, how much of it, of how much."""


def nothing(what: str, done: int, total: int) -> None:
    """Nobody watches."""
