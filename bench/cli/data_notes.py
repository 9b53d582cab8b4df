"""What a person should know of the data before a training: repairs, splits that were made, leaks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.reports.wording import leak_of


def tell(screen: Console, manifest_path: Path, layout: Path) -> None:
    """A line a matter, from the manifest; nothing where nothing had to be done."""
    manifest: dict[str, Any] = json.loads(manifest_path.read_text(encoding="utf-8"))
    for line in repairs(manifest, layout):
        screen.print(Text(line))
    for line in splits(manifest):
        screen.print(Text(line, style="yellow"))


def repairs(manifest: dict[str, Any], layout: Path) -> Iterator[str]:
    """How many of each kind, and where they are listed."""
    found = manifest.get("repairs") or {}
    for repair in found.values():
        yield f"repairs   {repair['count']:,} {repair['meaning']}"
    if found:
        yield f"          one by one: {layout / 'repairs.csv'}"


def splits(manifest: dict[str, Any]) -> Iterator[str]:
    """What the splits are not as published, and what they have in common."""
    split = manifest.get("split") or {}
    for note in split.get("notes") or ():
        yield f"split     {note}"
    if leak := leak_of(manifest):
        yield f"leak      {leak}"
