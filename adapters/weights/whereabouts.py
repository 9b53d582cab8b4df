"""Where each of the published weights stands on this machine; nobody is asked for any."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.adapters.weights.caches import weights_dir
from bench.adapters.weights.part import Part
from bench.adapters.weights.published import KNOWN, Published, entry_of, local_copy, own_place
from bench.errors import WeightsError

State = Literal["own folder", "framework's cache", "damaged", "partly here", "missing"]


@dataclass(frozen=True)
class Standing:
    """One of the published weights."""

    entry: Published
    state: State
    path: Path
    """Where it lies; where it belongs, if it is not here."""
    size_bytes: int | None
    """Of what lies here; as its publisher says, if nothing does; None where nobody says."""


def every() -> list[Standing]:
    """Of all that are known by name, then of other models of the hub that lie in our folder."""
    names = [*KNOWN, *(name for name in _imported() if name not in KNOWN)]
    return [standing(entry_of(name)) for name in names]


def standing(entry: Published) -> Standing:
    """Of one. A file with a known hash is read to its end."""
    found, own = local_copy(entry), own_place(entry)
    if found is not None:
        state: State = "own folder" if found == own else "framework's cache"
        return Standing(entry, state, found, _size(entry, found))
    there = [weights_dir() / file.place for file in entry.files]
    arrived = sum(Part(target).size for target in there) + sum(_length(target) for target in there)
    if any(Part(target).size for target in there) or (arrived and not all(t.is_file() for t in there)):
        return Standing(entry, "partly here", own, arrived)
    if arrived or any(target.is_file() for target in there):
        return Standing(entry, "damaged", own, arrived)
    size = None if entry.size_mib is None else round(entry.size_mib * (1 << 20))
    return Standing(entry, "missing", own, size)


def _imported() -> list[str]:
    """Names of the hub's models in our folder."""
    names = []
    for config in sorted(weights_dir().glob("*/*/config.json")):
        name = "/".join(config.parts[-3:-1])
        try:
            entry_of(name)
        except WeightsError:  # a folder that somebody put there, of no such name
            continue
        names.append(name)
    return names


def _size(entry: Published, path: Path) -> int:
    if entry.folder is None:
        return path.stat().st_size
    return sum(_length(path / file.place.rpartition("/")[2]) for file in entry.files)


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
