"""Find the cell and the images that were asked for."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.datasets.names import LINKED_SUFFIXES
from bench.errors import DataError, RunError
from bench.store import CellFolder, RunFolder

SUFFIXES = LINKED_SUFFIXES | {".gif", ".jp2", ".pgm", ".ppm", ".avif"}
"""What counts as an image in a folder or by a pattern; a file that is named is always tried."""


def open_cell(path: Path) -> CellFolder:
    """The cell at RUN/cells/CELL or, shorter, RUN/CELL.

    Raises RunError where there is none, or none with a checkpoint.
    """
    for root in (path, path.parent / "cells" / path.name):
        cell = CellFolder(root)
        if cell.spec_path.is_file():
            break
        if cell.record_path.is_file():
            raise RunError("has no model: it holds predictions of another tool", file=cell.root)
    else:
        raise RunError("is not a cell of a run", file=path, hint=_cells_near(path))
    if not cell.checkpoint.is_dir():
        record = cell.record()
        why = f": it failed in {record.failure.stage}" if record and record.failure else ""
        raise RunError(
            f"has no checkpoint{why}", file=cell.root, hint=f"bench run --resume {root.parent.parent}"
        )
    return cell


def _cells_near(path: Path) -> str:
    """A hint with the cells that are there."""
    for run in (path, path.parent, path.parent.parent):
        if (run / "run.json").is_file():
            return "there are: " + ", ".join(str(run / cell.name) for cell in RunFolder.open(run).cells())
    return "give RUN/CELL; bench run makes a RUN"


def find_images(asked: Sequence[str], *, exclude: Path) -> list[Path]:
    """Named files, images below named folders and matches of patterns (also `**`); each once, in that order.

    What lies below the folder `exclude`, such as results of an earlier call, is left out.
    Raises DataError for an entry that matches no image.
    """
    found: dict[Path, Path] = {}
    for setting in asked:
        mine = [path for path in _images_of(setting) if exclude.resolve() not in path.resolve().parents]
        if not mine:
            raise DataError(
                "no image there",
                file=setting,
                hint="give files, folders with images, or a pattern in quotes",
            )
        for path in mine:
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _images_of(setting: str) -> list[Path]:
    path = Path(setting).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        return _only_images(path.rglob("*"))
    return _only_images(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def _only_images(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
