"""`python -m bench.cell.timed CELL_FOLDER`: the cost of a cell's checkpoint, measured step by step.

The requests are `load`, `latency` (one round of it), `throughput` and `result`, which ends the process. Each
is answered when it is done; see bench.runner.timing.
"""

import sys
from pathlib import Path

from bench import process, registry
from bench.cell.spec import CellSpec
from bench.cell.timing import Stopwatch
from bench.layout import Layout
from bench.store import CellFolder


def main() -> None:
    process.connect()
    folder = CellFolder(Path(sys.argv[1]))
    spec = CellSpec.read(folder)
    device = spec.devices.resolve()[0]
    _expect("load")
    detector = registry.family(spec.plan.family).load(folder.checkpoint, device=device)
    images = [example.path for example in Layout.open(spec.layout).examples(spec.splits[-1])]
    watch = Stopwatch(detector, images)
    request = "load"
    while request != "result":
        process.send({"did": request})
        request = process.receive()["do"]
        if request == "latency":
            watch.latency_round()
        elif request == "throughput":
            watch.throughput()
    process.send({"did": request, "efficiency": watch.efficiency(folder.checkpoint, device).model_dump()})


def _expect(request: str) -> None:
    asked = process.receive()["do"]
    assert asked == request, asked


if __name__ == "__main__":
    main()
