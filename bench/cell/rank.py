"""`python -m bench.cell.rank RANK`: one of several processes that train a model together; see
bench.cell.ranks."""

import logging
import sys

from bench import process, registry
from bench.cell.ranks import RankTask, failure_report
from bench.detector import FitContext, World
from bench.layout import Layout


def main() -> int:
    task = RankTask.model_validate_json(process.connect())
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    try:
        train(task)
    except Exception as error:
        logging.getLogger(__name__).exception("rank %d failed", task.rank)
        process.send(failure_report(task, error).model_dump())
        return 1
    return 0


def train(task: RankTask) -> None:
    """This rank's part in the training of its cell."""
    layout = Layout.open(task.layout)
    plan = task.spec.plan
    detector = registry.family(plan.family).build(
        plan, classes=layout.classes, seed=task.spec.seed, device=task.device
    )
    context = FitContext(
        workdir=task.workdir,
        seed=task.spec.seed,
        device=task.device,
        score_val=(lambda found: {}) if task.validates else None,  # only rank 0's is called
        on_epoch=lambda record: False,
        world=World(task.rank, task.size, task.rendezvous),
    )
    detector.fit(layout, plan.recipe, context)


if __name__ == "__main__":
    sys.exit(main())
