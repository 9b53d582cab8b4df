"""The gates before training: box, colour and class round trips, and overfitting one small batch. Seconds."""

import gc
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.detector import Detector, Family, Inspectable, Plan
from bench.evaluation import Judge
from bench.gates import boxes, classes, colours, overfit, patterns
from bench.gates.gate import Flag, run_gate
from bench.gates.preserve import preserved_state
from bench.layout import CATEGORY_OFFSET, Example, Layout
from bench.records import GateResult

NAMES = ("boxes", "colours", "classes", "overfit")

NOT_INSPECTABLE = Flag(
    "not checked: the detector lacks `inference_inputs`, `training_inputs` and `round_trip` "
    "(bench.detector.Inspectable)"
)


@dataclass(frozen=True)
class Candidate:
    """A model as it will be trained, and on which device."""

    family: Family
    plan: Plan
    classes: tuple[str, ...]
    seed: int
    device: str


def before_training(
    candidate: Candidate,
    workdir: Path,
    *,
    passed: Sequence[GateResult] = (),
    on_gate: Callable[[str], None] = lambda name: None,
) -> tuple[GateResult, ...]:
    """Run every gate, in the order of NAMES, on a detector that is built for them alone.

    Args:
        workdir: an existing folder; a temporary folder is made in it and removed.
        passed: results of an earlier attempt: gates that have passed are not run again.
        on_gate: called with the name of each gate before it runs.

    Raises errors that the user can fix (weights, recipe) and lack of memory; any other error is a failed
    gate.
    """
    kept = {result.name: result for result in passed if result.passed}
    if all(name in kept for name in NAMES):
        return tuple(kept[name] for name in NAMES)
    draft = Path(tempfile.mkdtemp(prefix="gates-", dir=workdir))
    try:
        detector = _build(candidate)  # before the state is saved: what it imports stays
        with preserved_state():
            if isinstance(detector, Inspectable):
                detector.disable_augmentation()
            inputs = GateInputs.create(candidate, draft)
            results = []
            for name, check in gate_checks(candidate, detector, inputs).items():
                on_gate(name)
                results.append(kept.get(name) or run_gate(name, check))
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    del detector
    gc.collect()  # the training needs its memory
    return tuple(results)


@dataclass(frozen=True)
class GateInputs:
    """The data that the gates use."""

    layout: Layout
    examples: list[Example]
    colours: Example
    judges: tuple[Judge, Judge]  # as it is, and with the classes in the other order
    workdir: Path

    @classmethod
    def create(cls, candidate: Candidate, workdir: Path) -> "GateInputs":
        layout = patterns.write(workdir / "data", candidate.classes, overfit.images(candidate.plan.recipe))
        plain = layout.coco_path("val")
        other = workdir / "permuted.json"
        coco = json.loads(plain.read_text(encoding="utf-8"))
        order = classes.permutation(len(candidate.classes))
        for annotation in coco["annotations"]:
            label = annotation["category_id"] - CATEGORY_OFFSET
            annotation["category_id"] = int(order[label]) + CATEGORY_OFFSET
        other.write_text(json.dumps(coco), encoding="utf-8")
        judges = Judge(layout.classes, {"val": plain}), Judge(layout.classes, {"val": other})
        return cls(layout, layout.examples("val"), layout.examples("test")[0], judges, workdir)


def gate_checks(candidate: Candidate, detector: Detector, inputs: GateInputs) -> dict[str, Callable[[], str]]:
    """Name -> check, for `run_gate`; `overfit` changes the detector, so it comes last."""
    checks: dict[str, Callable[[], str]] = dict.fromkeys(NAMES[:-1], lambda: NOT_INSPECTABLE)
    if isinstance(detector, Inspectable):
        size = detector.describe().input_size
        checks = {
            "boxes": lambda: boxes.round_trip(detector, inputs.examples, size),
            "colours": lambda: colours.check_colours(detector, inputs.colours, inputs.examples),
            "classes": lambda: classes.round_trip(
                detector, inputs.examples, candidate.classes, inputs.judges
            ),
        }
    workdir, recipe = inputs.workdir / "training", candidate.plan.recipe
    checks["overfit"] = lambda: overfit.falling_loss(
        detector, inputs.layout, recipe, workdir, candidate.device
    )
    return checks


def _build(candidate: Candidate) -> Detector:
    return candidate.family.build(
        candidate.plan, classes=candidate.classes, seed=candidate.seed, device=candidate.device
    )
