"""What a cell is to do, as it travels from the runner to the cell's process."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bench import files
from bench.detector import Plan
from bench.records import Provenance
from bench.store import CellFolder


class CellSpec(BaseModel):
    """cell.json. A `batch_size: auto` in it becomes a number when the cell has found one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    model: str
    seed: int
    device: str
    layout: Path
    dataset: str
    plan: Plan
    gates: bool = True
    final: Literal["none", "train+val"] = "none"
    provenance: Provenance

    @classmethod
    def read(cls, folder: CellFolder) -> "CellSpec":
        return cls.model_validate_json(folder.spec_path.read_bytes())

    def write(self, folder: CellFolder) -> None:
        files.write_text(folder.spec_path, self.model_dump_json(indent=2) + "\n")
