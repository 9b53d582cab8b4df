"""What a cell is to do, as it travels from the runner to the cell's process."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from bench import earlier, files
from bench.detector import Plan
from bench.devices import Devices
from bench.layout import SplitName
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
    splits: tuple[SplitName, ...] = ("val", "test")
    """What is judged; without test, nothing reads the test split, and what is timed is val's pictures."""
    timed: bool = True
    """Whether the judged checkpoint's latency and throughput are measured."""
    rare_classes: tuple[str, ...] = ()
    """Whose mean AP is told as AP_rare; see bench.frequencies."""
    provenance: Provenance

    @property
    def devices(self) -> Devices:
        """`device`, parsed."""
        return Devices.parse(self.device)

    @classmethod
    def read(cls, folder: CellFolder) -> "CellSpec":
        return earlier.read(cls, folder.spec_path.read_bytes())

    def write(self, folder: CellFolder) -> None:
        files.write_text(folder.spec_path, self.model_dump_json(indent=2) + "\n")
