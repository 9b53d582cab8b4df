"""What a cell is to do, as the runner passes it to the cell's process."""

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
    """cell.json. The cell replaces `batch_size: auto` in it by the number that it found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    model: str
    seed: int
    share: int | None = None
    """Percent of the train split; `layout` holds only those images then."""
    device: str
    layout: Path
    dataset: str
    plan: Plan
    gates: bool = True
    final: Literal["none", "train+val"] = "none"
    splits: tuple[SplitName, ...] = ("val", "test")
    """What is evaluated; without test, the test split is not read, and the timing uses val's images."""
    timed: bool = True
    """Whether the cell measures latency and throughput itself; a run does that later, in turns."""
    rare_classes: tuple[str, ...] = ()
    """AP_rare is the mean AP of these classes; see bench.frequencies."""
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
