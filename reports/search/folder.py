"""A search folder, read once: search.json, and the final trainings of best and standard."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from bench import earlier
from bench.errors import RunError
from bench.records import CellRecord
from bench.search_records import SearchRecord, StudyRecord
from bench.store import RunFolder

SEARCH_JSON = "search.json"

STANDARD, BEST = "standard", "best"
"""What stands behind a study's name in the models of the final run."""


@dataclass(frozen=True)
class Search:
    """What the report of a search is made from."""

    root: Path
    record: SearchRecord
    final: RunFolder | None
    records: tuple[CellRecord, ...]  # of the final run's finished cells

    def done(self, study: StudyRecord, which: str) -> dict[int, CellRecord]:
        """Seed -> record of the final trainings of `STANDARD` or `BEST` that are done."""
        model = f"{study.model}-{which}"
        return {r.seed: r for r in self.records if r.model == model and r.status == "done"}


def is_search(root: Path) -> bool:
    """Whether `root` is the folder of a search and not of a run."""
    return (root / SEARCH_JSON).is_file()


def read_search(root: Path) -> Search:
    """Raises RunError where `root` is no search, or its files are broken or of another version."""
    path = root / SEARCH_JSON
    try:
        record = earlier.read(SearchRecord, path.read_bytes())
    except FileNotFoundError:
        raise RunError(
            "is no search folder: it has no search.json", file=root, hint="bench search makes one"
        ) from None
    except ValidationError as error:
        raise RunError(f"is no search of this version: {error.errors()[0]['msg']}", file=path) from None
    except OSError as error:
        raise RunError(f"can't be read: {error.strerror}", file=path) from None
    final = RunFolder(root / record.final) if record.final else None
    if final is None or not final.info_path.is_file():
        return Search(root, record, None, ())
    return Search(root, record, final, tuple(final.records()))
