"""What a person should know about the data before a training: repairs, changes to the splits, leaks."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.reports.wording import leak_of


def notes(manifest: Mapping[str, Any], layout: Path) -> Iterator[tuple[str, str]]:
    """One line for each note in the manifest, and its style for `bench.api.screens.Screen.write`."""
    repairs = manifest.get("repairs") or {}
    for repair in repairs.values():
        yield f"repairs   {repair['count']:,} {repair['meaning']}", ""
    if repairs:
        yield f"          one by one: {layout / 'repairs.csv'}", ""
    split = manifest.get("split") or {}
    for note in split.get("notes") or ():
        yield f"split     {note}", "yellow"
    if leak := leak_of(manifest):
        yield f"leak      {leak}", "yellow"
