"""What training steps take at rising batch sizes: `python -m bench.cell.batch_probe`, see bench.cell.batch.

Sends a Measurement for each size of its ProbeTask, up to the first that does not fit.
"""

import gc
import tempfile
from pathlib import Path

from bench import memory, process, registry
from bench.cell import timing
from bench.cell.batch import Measurement, ProbeTask, probe_recipe
from bench.cell.spec import CellSpec
from bench.detector import FitContext
from bench.devices import on_gpu
from bench.layout import Layout


def main() -> None:
    task = ProbeTask.model_validate_json(process.connect())
    layout = Layout.open(task.spec.layout)
    with tempfile.TemporaryDirectory(prefix="bench-probe-") as folder:
        for size in task.sizes:
            found = measure(task.spec, layout, task.device, size, Path(folder) / str(size))
            process.send(found.model_dump())
            if found.outcome != "fits":
                break


def measure(spec: CellSpec, layout: Layout, device: str, batch: int, workdir: Path) -> Measurement:
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
        detector.fit(layout, probe_recipe(plan.recipe, batch), context)
        return Measurement(batch=batch, peak_mib=_peak_mib(device))
    except Exception as error:
        outcome = "out_of_memory" if memory.is_out_of_memory(error) else "error"
        reason = f"{type(error).__name__}: {error}"
        return Measurement(batch=batch, peak_mib=0.0, outcome=outcome, reason=reason)


def _peak_mib(device: str) -> float:
    """Of this size on a GPU, which is left clean for the next one; of the whole process so far on a CPU."""
    if not on_gpu(device):
        return timing.peak_memory_mib()
    import torch

    peak = float(torch.cuda.max_memory_reserved(device)) / memory.MIB
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return peak


if __name__ == "__main__":
    main()
