"""Whether weights fit a variant, before anything is written: `python -m bench.adapters.yolo.check_fit`.

In a process of its own, because only ultralytics can build the network, and it changes the settings of every
process that imports it.
"""

import subprocess
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from bench import process, registry
from bench.detector import Plan
from bench.errors import BenchError, WeightsError


class Question(BaseModel):
    """The task of the process."""

    model_config = ConfigDict(frozen=True)

    plan: Plan
    classes: tuple[str, ...]


def check_fit(plan: Plan, classes: Sequence[str]) -> None:
    """Raises WeightsError naming the tensors that do not fit. Seconds: ultralytics is imported."""
    question = Question(plan=plan, classes=tuple(classes))
    with process.Child(__name__, task=question.model_dump_json(), output=subprocess.DEVNULL) as child:
        for message in child.messages():
            raise WeightsError(message["misfit"])


def main() -> None:
    question = Question.model_validate_json(process.connect())
    try:
        registry.family(question.plan.family).build(
            question.plan, classes=question.classes, seed=0, device="cpu"
        )
    except BenchError as error:
        process.send({"misfit": str(error)})


if __name__ == "__main__":
    main()
