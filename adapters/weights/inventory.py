"""Which published weights this machine has, and where; nothing is downloaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.adapters.weights.caches import weights_dir
from bench.adapters.weights.published import KNOWN, Published, entry_of, local_copy, own_path
from bench.errors import WeightsError

State = Literal["own folder", "framework's cache", "damaged", "incomplete", "missing"]


@dataclass(frozen=True)
class Status:
    """Of one of the published weights."""

    entry: Published
    state: State
    path: Path
    """Where they are; where they belong if they are not here."""
    size_bytes: int | None
    """Of what is on disk; as the publisher says if nothing is; None where the publisher does not say."""

    @property
    def available(self) -> bool:
        """Whether a training can start from them without a download."""
        return self.state in ("own folder", "framework's cache")


def inventory() -> list[Status]:
    """Of all weights that are known by name, then of other models of the hub in our folder."""
    names = [*KNOWN, *(name for name in _imported() if name not in KNOWN)]
    return [status(entry_of(name)) for name in names]


def status(entry: Published) -> Status:
    """Of one. A file with a known hash is read to its end."""
    found, own = local_copy(entry), own_path(entry)
    if found is not None:
        return Status(
            entry, "own folder" if found == own else "framework's cache", found, _size(entry, found)
        )
    present = [path for file in entry.files if (path := weights_dir() / file.path).is_file()]
    if present:
        state: State = "damaged" if len(present) == len(entry.files) else "incomplete"
        return Status(entry, state, own, sum(path.stat().st_size for path in present))
    size = None if entry.size_mib is None else round(entry.size_mib * (1 << 20))
    return Status(entry, "missing", own, size)


def _imported() -> list[str]:
    """Names of the hub's models in our folder."""
    names = []
    for config in sorted(weights_dir().glob("*/*/config.json")):
        name = "/".join(config.parts[-3:-1])
        try:
            entry_of(name)
        except WeightsError:  # a folder with a name that no model has
            continue
        names.append(name)
    return names


def _size(entry: Published, path: Path) -> int:
    files = [path] if entry.folder is None else [path / file.name for file in entry.files]
    return sum(file.stat().st_size for file in files)
