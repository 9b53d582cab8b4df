"""Collects the bad rows of a source, so that the user sees them all at once."""

from pathlib import Path

from bench.errors import DataError, together

SHOWN = 20
"""Bad rows that one message shows."""


class Problems:
    """A list of DataErrors, raised as one."""

    def __init__(self) -> None:
        self._shown: list[DataError] = []
        self.count = 0

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
        self.count += 1
        if self.count <= SHOWN:
            self._shown.append(DataError(message, file=file, record=record, value=value, hint=hint))

    def raise_if_any(self) -> None:
        """Raises DataError: all of them, the first SHOWN in full."""
        if not self.count:
            return
        if self.count == 1:
            raise self._shown[0]
        if self.count <= SHOWN:
            raise together(self._shown)
        lines = "\n".join(f"- {problem}" for problem in self._shown)
        raise DataError(f"{self.count} problems, the first {SHOWN} of them:\n{lines}")
