"""CHECKPOINT/detector.json: what a stored detector says about itself, beside its weights. Light."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import earlier, files
from bench.detector import Plan
from bench.errors import WeightsError

NAME = "detector.json"


class CheckpointInfo(BaseModel):
    """What every family stores; a subclass adds what it needs to build the network again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: Plan
    classes: tuple[str, ...]

    @classmethod
    def read(cls, folder: Path, family: str) -> Self:
        """Raises WeightsError for a folder that no detector of this family was saved to."""
        file = folder / NAME
        try:
            info = earlier.read(cls, file.read_bytes())
        except FileNotFoundError:
            raise WeightsError(f"is no checkpoint of bench: it has no {NAME}", file=folder) from None
        except ValidationError as error:
            raise WeightsError(f"can't be read: {error.errors()[0]['msg']}", file=file) from None
        if info.plan.family != family:
            raise WeightsError(f"holds another family, not {family}", file=file, value=info.plan.family)
        return info

    def write(self, folder: Path) -> None:
        files.write_text(folder / NAME, self.model_dump_json(indent=2) + "\n")
