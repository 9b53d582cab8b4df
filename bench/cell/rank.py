"""`python -m bench.cell.rank JOB.json`: one of several processes that train a model; see bench.cell.ranks."""

import logging
import os
import sys
import threading
from pathlib import Path

# As in bench.cell.__main__: a folder named `datasets` where this is started must not be importable.
sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]

from bench import registry  # noqa: E402
from bench.cell.ranks import Job, tell  # noqa: E402
from bench.detector import FitContext, World  # noqa: E402
from bench.layout import Layout  # noqa: E402


def main() -> int:
    threading.Thread(target=_end_with_input, daemon=True).start()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s: %(message)s")
    job = Job.model_validate_json(Path(sys.argv[1]).read_bytes())
    try:
        train(job)
    except Exception as error:
        tell(job, error)
        return 1
    return 0


def train(job: Job) -> None:
    """A rank's part in the training of its cell."""
    layout = Layout.open(job.layout)
    plan = job.spec.plan
    detector = registry.family(plan.family).build(
        plan, classes=layout.classes, seed=job.spec.seed, device=job.device
    )
    context = FitContext(
        workdir=job.workdir,
        seed=job.spec.seed,
        device=job.device,
        score_val=(lambda found: {}) if job.judged else None,  # rank 0's alone is asked
        on_epoch=lambda record: False,
        world=World(job.rank, job.size, job.rendezvous),
    )
    detector.fit(layout, plan.recipe, context)


def _end_with_input() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
