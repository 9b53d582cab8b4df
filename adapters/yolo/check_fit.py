"""Whether weights fit a variant, before anything is written: `python -m bench.adapters.yolo.check_fit`.

Asked of a process of its own, because only ultralytics can build the network, and it changes the settings of
every process that imports it.
"""

import subprocess
import sys
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from bench.detector import Plan
from bench.errors import BenchError, WeightsError

MISFIT = 3
"""Exit code: what it says is for the user."""


class Question(BaseModel):
    """What travels to the process, over its standard input."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    classes: tuple[str, ...]


def check_fit(plan: Plan, classes: Sequence[str]) -> None:
    """Raises WeightsError naming the tensors that do not fit. Seconds: ultralytics is imported."""
    question = Question(plan=plan, classes=tuple(classes))
    asked = subprocess.run(
        [sys.executable, "-P", "-m", __name__],
        input=question.model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode == MISFIT:
        raise WeightsError(asked.stdout.strip())


def main() -> int:
    from bench.adapters.yolo.family import FAMILY

    question = Question.model_validate_json(sys.stdin.read())
    try:
        FAMILY.build(question.plan, classes=question.classes, seed=0, device="cpu")
    except BenchError as error:
        sys.stdout.write(f"{error}\n")
        return MISFIT
    return 0


if __name__ == "__main__":
    sys.exit(main())
