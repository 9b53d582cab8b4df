"""The gates before training: box, colour and class round trips, and one small batch. In seconds."""

import gc
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.detector import Detector, Family, Inspectable, Plan
from bench.evaluation import Judge
from bench.gates import boxes, classes, colours, overfit, scenes
from bench.gates.gate import Flag, ask
from bench.gates.untouched import untouched
from bench.layout import CATEGORY_OFFSET, Example, Layout
from bench.records import GateResult

NAMES = ("boxes", "colours", "classes", "overfit")

NOT_OPEN = Flag(
    "not looked into: the detector lacks `inference_inputs`, `training_inputs` and `round_trip` "
    "(bench.detector.Inspectable)"
)


@dataclass(frozen=True)
class Subject:
    """A model as it will be trained, and where."""

    family: Family
    plan: Plan
    classes: tuple[str, ...]
    seed: int
    device: str


def before_training(
    subject: Subject,
    room: Path,
    *,
    passed: Sequence[GateResult] = (),
    hear: Callable[[str], None] = lambda name: None,
) -> tuple[GateResult, ...]:
    """Every gate in the order of NAMES, on detectors that are built for it alone.

    Args:
        room: an existing folder; a part of it is used meanwhile and gone afterwards.
        passed: results of an earlier try: what has passed is not asked again.
        hear: told the name of each gate before it is asked.

    Raises what is the user's to mend (weights, recipe) and lack of memory; all else is a result.
    """
    kept = {result.name: result for result in passed if result.passed}
    if all(name in kept for name in NAMES):
        return tuple(kept[name] for name in NAMES)
    draft = Path(tempfile.mkdtemp(prefix="gates-", dir=room))
    try:
        detector = _build(subject)  # its imports belong to the process, whatever comes
        with untouched():
            if isinstance(detector, Inspectable):
                detector.disable_augmentation()
            trial = Trial.made(subject, draft)
            results = []
            for name, question in questions(subject, detector, trial).items():
                hear(name)
                results.append(kept.get(name) or ask(name, question))
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    del detector
    gc.collect()  # its memory is the training's
    return tuple(results)


@dataclass(frozen=True)
class Trial:
    """What a model is gated with."""

    layout: Layout
    examples: list[Example]
    colours: Example
    judges: tuple[Judge, Judge]  # as it is, and with the classes in the other order
    room: Path

    @classmethod
    def made(cls, subject: Subject, room: Path) -> "Trial":
        layout = scenes.write(room / "data", subject.classes, overfit.images(subject.plan.recipe))
        plain = layout.coco_path("val")
        other = room / "permuted.json"
        coco = json.loads(plain.read_text(encoding="utf-8"))
        order = classes.permutation(len(subject.classes))
        for annotation in coco["annotations"]:
            label = annotation["category_id"] - CATEGORY_OFFSET
            annotation["category_id"] = int(order[label]) + CATEGORY_OFFSET
        other.write_text(json.dumps(coco), encoding="utf-8")
        judges = Judge(layout.classes, {"val": plain}), Judge(layout.classes, {"val": other})
        return cls(layout, layout.examples("val"), layout.examples("test")[0], judges, room)


def questions(subject: Subject, detector: Detector, trial: Trial) -> dict[str, Callable[[], str]]:
    """Name -> question, for `ask`; `overfit` spends the detector."""
    asked: dict[str, Callable[[], str]] = dict.fromkeys(NAMES[:-1], lambda: NOT_OPEN)
    if isinstance(detector, Inspectable):
        size = detector.describe().input_size
        asked = {
            "boxes": lambda: boxes.round_trip(detector, trial.examples, size),
            "colours": lambda: colours.right_colours(detector, trial.colours, trial.examples),
            "classes": lambda: classes.round_trip(detector, trial.examples, subject.classes, trial.judges),
        }
    room, recipe = trial.room / "training", subject.plan.recipe
    asked["overfit"] = lambda: overfit.falling_loss(detector, trial.layout, recipe, room, subject.device)
    return asked


def _build(subject: Subject) -> Detector:
    return subject.family.build(
        subject.plan, classes=subject.classes, seed=subject.seed, device=subject.device
    )
