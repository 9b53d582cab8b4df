"""What to know about the data before training: repairs, generated splits, leaks."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from bench.reports.wording import leak_of


def tell(screen: Console, manifest_path: Path, layout: Path) -> None:
    """Print one line per item of the manifest; nothing if there is none."""
    manifest: dict[str, Any] = json.loads(manifest_path.read_text(encoding="utf-8"))
    for line in repairs(manifest, layout):
        screen.print(Text(line))
    for line in splits(manifest):
        screen.print(Text(line, style="yellow"))


def repairs(manifest: dict[str, Any], layout: Path) -> Iterator[str]:
    """The number of repairs of each kind, and where they are listed."""
    found = manifest.get("repairs") or {}
    for repair in found.values():
        yield f"repairs   {repair['count']:,} {repair['meaning']}"
    if found:
        yield f"          one by one: {layout / 'repairs.csv'}"


def splits(manifest: dict[str, Any]) -> Iterator[str]:
    """Splits that were not published, and leaks between splits."""
    split = manifest.get("split") or {}
    for note in split.get("notes") or ():
        yield f"split     {note}"
    if leak := leak_of(manifest):
        yield f"leak      {leak}"
