"""The gates of one cell. Passed ones are stored: a resumed cell runs only the others."""

import shutil
from collections.abc import Callable, Sequence

from pydantic import TypeAdapter, ValidationError

from bench import evaluation, files, registry
from bench.cell.spec import CellSpec
from bench.evaluation import Results
from bench.gates import Candidate, TrainingOutput, after_training, before_training
from bench.layout import Layout
from bench.records import GateResult, TrainingRecord
from bench.store import CellFolder

_RESULTS = TypeAdapter(tuple[GateResult, ...])


def before(
    folder: CellFolder, spec: CellSpec, layout: Layout, device: str, on_gate: Callable[[str], None]
) -> tuple[GateResult, ...]:
    """Results of the gates before training; none where they are off. `on_gate` gets each gate's name."""
    if not spec.gates:
        return ()
    candidate = Candidate(registry.family(spec.plan.family), spec.plan, layout.classes, spec.seed, device)
    for stale in folder.root.glob("gates-*"):  # left by a killed process
        shutil.rmtree(stale, ignore_errors=True)
    results = before_training(candidate, folder.root, passed=_kept(folder), on_gate=on_gate)
    files.write_bytes(folder.gates_path, _RESULTS.dump_json(results, indent=2) + b"\n")
    return results


def after(
    folder: CellFolder, spec: CellSpec, layout: Layout, training: TrainingRecord
) -> tuple[GateResult, ...]:
    """Results of the gates after it; none where they are off."""
    if not spec.gates:
        return ()
    return after_training(
        TrainingOutput(
            history=folder.history(),
            training=training,
            from_random=spec.plan.weights == "none",
            results=_found(folder),
            examples=layout.examples("val"),
        )
    )


def _found(folder: CellFolder) -> Results:
    return evaluation.read_results(folder.predictions_path("val"))


def _kept(folder: CellFolder) -> Sequence[GateResult]:
    try:
        return _RESULTS.validate_json(folder.gates_path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return ()
