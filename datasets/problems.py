"""Collects the bad rows of a source, so that the user sees them all at once."""

from pathlib import Path

from bench.errors import DataError, combined

ALIKE = 3
"""Bad rows with the same message that are shown."""

MAX_SHOWN = 20
"""Bad rows that one error shows in all."""


class Problems:
    """A list of DataErrors, raised as one; of each message the first ALIKE are kept, and their number."""

    def __init__(self) -> None:
        self.examples: dict[str, list[DataError]] = {}
        self.counts: dict[str, int] = {}

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def add(
        self,
        message: str,
        *,
        file: Path | str,
        record: str | None = None,
        value: object = None,
        hint: str | None = None,
    ) -> None:
        """Add one; the arguments are those of BenchError."""
        self.counts[message] = self.counts.get(message, 0) + 1
        kept = self.examples.setdefault(message, [])
        if len(kept) < ALIKE:
            kept.append(DataError(message, file=file, record=record, value=value, hint=hint))

    def raise_if_any(self) -> None:
        """Raises DataError: the first MAX_SHOWN in full, and how many more are like them."""
        shown = [error for kept in self.examples.values() for error in kept][:MAX_SHOWN]
        if not shown:
            return
        if self.count == len(shown):
            raise combined(shown)
        lines = [f"- {error}" for error in shown]
        more = [
            f"- {self.counts[message] - len(kept):,} more: {message}"
            for message, kept in list(self.examples.items())[:MAX_SHOWN]
            if self.counts[message] > len(kept)
        ]
        raise DataError(f"{self.count:,} problems:\n" + "\n".join([*lines, *more]))
