"""What training steps take at rising batch sizes: `python -m bench.cell.batch_trial WORKDIR DEVICE BATCH...`

WORKDIR/cell.json is the cell. WORKDIR/tries.jsonl gets a line for each size, up to the first that does not
fit. See bench.cell.batch.
"""

import gc
import os
import sys
from pathlib import Path

# As in bench.cell.__main__: a folder named `datasets` where this is started must not be importable.
sys.path[:] = [entry for entry in sys.path if entry not in ("", str(Path.cwd()))]

from bench import memory, registry  # noqa: E402
from bench.cell import timing  # noqa: E402
from bench.cell.batch import Try, trial_recipe  # noqa: E402
from bench.cell.spec import CellSpec  # noqa: E402
from bench.detector import FitContext  # noqa: E402
from bench.layout import Layout  # noqa: E402
from bench.store import CellFolder  # noqa: E402


def main() -> None:
    room, device = Path(sys.argv[1]), sys.argv[2]
    spec = CellSpec.read(CellFolder(room))
    layout = Layout.open(spec.layout)
    with (room / "tries.jsonl").open("w", encoding="utf-8") as tries:
        for batch in map(int, sys.argv[3:]):
            found = measure(spec, layout, device, batch, room / f"batch-{batch}")
            tries.write(found.model_dump_json() + "\n")
            tries.flush()
            os.fsync(tries.fileno())
            if found.outcome != "fits":
                break


def measure(spec: CellSpec, layout: Layout, device: str, batch: int, workdir: Path) -> Try:
    """Build the model and train it for a few steps."""
    workdir.mkdir()
    context = FitContext(
        workdir=workdir, seed=spec.seed, device=device, score_val=None, on_epoch=lambda record: False
    )
    plan = spec.plan
    try:
        detector = registry.family(plan.family).build(
            plan, classes=layout.classes, seed=spec.seed, device=device
        )
        detector.fit(layout, trial_recipe(plan.recipe, batch), context)
        return Try(batch=batch, peak_mib=_peak_mib(device))
    except Exception as error:
        outcome = "lacking" if memory.is_lacking(error) else "broken"
        return Try(batch=batch, peak_mib=0.0, outcome=outcome, reason=f"{type(error).__name__}: {error}")


def _peak_mib(device: str) -> float:
    """Of this try on a GPU, which is left clean for the next one; of the whole process so far on a CPU."""
    if not device.startswith("cuda"):
        return timing.peak_memory_mib()
    import torch

    peak = float(torch.cuda.max_memory_reserved(device)) / memory.MIB
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return peak


if __name__ == "__main__":
    main()
