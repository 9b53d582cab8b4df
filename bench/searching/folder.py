"""A search on disk: its files (see bench.search_records), and what its workers need to know."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import earlier, files
from bench.errors import RunError
from bench.records import Provenance
from bench.search_records import SearchRecord
from bench.store import CellFolder


class SearchInfo(BaseModel):
    """search_info.json: what was resolved when the search started; bench.yaml is beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = 1
    layout: Path
    dataset: str
    classes: tuple[str, ...]
    train_counts: dict[str, int]
    rare_classes: tuple[str, ...]
    provenance: Provenance


@dataclass(frozen=True)
class SearchFolder:
    """One search's files."""

    root: Path

    @classmethod
    def open(cls, root: Path) -> "SearchFolder":
        """An existing search. Raises RunError where `root` is not one."""
        folder = cls(root.resolve())
        if not folder.info_path.is_file():
            raise RunError(
                f"is not a search folder: it has no {folder.info_path.name}",
                file=root,
                hint="bench search creates one",
            )
        return folder

    @property
    def info_path(self) -> Path:
        return self.root / "search_info.json"

    @property
    def record_path(self) -> Path:
        return self.root / "search.json"

    @property
    def config_path(self) -> Path:
        return self.root / "bench.yaml"

    @property
    def manifest_path(self) -> Path:
        return self.root / "manifest.json"

    @property
    def best_path(self) -> Path:
        return self.root / "best.yaml"

    @property
    def final_dir(self) -> Path:
        return self.root / "final"

    @property
    def own_storage(self) -> str:
        """Optuna's URL of the SQLite file that is the default storage."""
        return f"sqlite:///{self.root / 'study.db'}"

    def trial(self, model: str, number: int) -> CellFolder:
        return CellFolder(self.root / "trials" / model / str(number))

    def info(self) -> SearchInfo:
        """Raises RunError for another version's."""
        try:
            return earlier.read(SearchInfo, self.info_path.read_bytes())
        except ValidationError as error:
            raise RunError(
                f"was not written by this version of bench search: {error.errors()[0]['msg']}",
                file=self.info_path,
            ) from None

    def record(self) -> SearchRecord | None:
        """search.json, or None where there is none that can be read: it is written again from the storage."""
        try:
            return earlier.read(SearchRecord, self.record_path.read_bytes())
        except (OSError, ValidationError):
            return None

    def write_info(self, info: SearchInfo) -> None:
        files.write_text(self.info_path, info.model_dump_json(indent=2) + "\n")

    def write_record(self, record: SearchRecord) -> None:
        files.write_text(self.record_path, record.model_dump_json(indent=2) + "\n")
