"""The check itself: plan, fit, predict, save, load, repeat, stop, resume."""

import contextlib
import io
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.conformance import inputs
from bench.conformance.detections import equal, faults
from bench.detector import Detector, Family, FitContext, Plan
from bench.errors import BenchError, ConfigError
from bench.evaluation import Judge
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

EPOCHS = 2
_SEED = 7


class _Killed(BaseException):
    """Simulates a kill: nothing should catch it."""


def check_family(
    family: Family,
    folder: Path,
    *,
    variant: str | None = None,
    weights: str = "none",
    options: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    device: str = "cpu",
) -> list[str]:
    """How the family departs from the contract of bench.detector, one sentence each; empty if it does not.

    Args:
        folder: an empty folder to work in.
        variant, weights, options: of the model to check; take the smallest.
        recipe: training settings that override the check's own (2 epochs, batches of 4, 64 pixels).
    """
    settings = {"epochs": EPOCHS, "batch_size": 4, "image_size": 64, **(recipe or {})}
    asked = {
        "variant": variant,
        "weights": weights,
        "options": dict(options or {}),
        "recipe": Recipe.model_validate(settings),
    }
    return _Check(family, folder, asked, device).run()


class _Check:
    """One check; `failures` collects the results."""

    def __init__(self, family: Family, folder: Path, asked: dict[str, Any], device: str) -> None:
        self.family = family
        self.folder = folder
        self.asked = asked
        self.device = device
        self.failures: list[str] = []
        self.layout = inputs.layout(folder / "data")
        self.images = inputs.images(folder / "images", self.layout)

    def run(self) -> list[str]:
        plan: Plan | None = None
        with self._step("plan"):
            plan = self._plan()
        if plan is None:
            return self.failures
        with self._step("import"):
            self._cheap_import()
        whole: Detector | None = None
        with self._step("fit"):
            whole = self._whole_training(plan)
        if whole is None:
            return self.failures
        for name, check in self._later_checks(plan, whole):
            with self._step(name):
                check()
        return self.failures

    def _later_checks(self, plan: Plan, whole: Detector) -> list[tuple[str, Callable[[], None]]]:
        return [
            ("predict", lambda: self._predictions(whole)),
            ("save and load", lambda: self._round_trip(whole)),
            ("repeat", lambda: self._same_seed(plan, whole)),
            ("stop", lambda: self._stop(plan)),
            ("without score_val", lambda: self._no_choice(plan)),
            ("resume", lambda: self._resume(plan)),
        ]

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """An exception inside is a failure, and so is any output."""
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                yield
        except Exception as error:
            self.failures.append(f"{name}: {type(error).__name__}: {error}")
        if output.getvalue():
            self.failures.append(f"{name}: it prints: {output.getvalue()[:200]!r}")

    def _expect(self, holds: bool, failure: str) -> None:
        if not holds:
            self.failures.append(failure)

    def _plan(self) -> Plan:
        plan = self.family.plan(**self.asked)
        adapter = TypeAdapter(Plan)
        restored = adapter.validate_json(adapter.dump_json(plan))
        self._expect(
            adapter.dump_python(restored, mode="json") == adapter.dump_python(plan, mode="json"),
            "plan: it changes when it is serialised as JSON",
        )
        self._expect(plan.family == self.family.name, f"plan: names the family {plan.family!r}")
        self._expect(
            plan.weights == "none" or Path(plan.weights).exists(),
            f"plan: weights {plan.weights!r} are neither 'none' nor a path that exists",
        )
        self._expect(plan.recipe.epochs == EPOCHS, "plan: it changes the number of epochs")
        wrong_requests: dict[str, dict[str, Any]] = {
            "an unknown variant": {"variant": "no-such-variant"},
            "an unknown option": {"options": {**self.asked["options"], "no_such_option": 1}},
            "weights that do not exist": {"weights": "/no/such/file.pt"},
        }
        for what, wrong in wrong_requests.items():
            self._refuses(what, {**self.asked, **wrong})
        return restored

    def _refuses(self, what: str, asked: dict[str, Any]) -> None:
        try:
            self.family.plan(**asked)
        except BenchError as error:
            if "option" in what:
                self._expect(isinstance(error, ConfigError), f"plan: {what} should be a ConfigError")
        else:
            self.failures.append(f"plan: takes {what} without an error")

    def _cheap_import(self) -> None:
        module = type(self.family).__module__
        heavy = "{'torch', 'transformers', 'ultralytics'}"
        code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        self._expect(
            done.stdout.strip() == "[]",
            f"import: importing {module} imports {done.stdout.strip() or done.stderr[-200:]}",
        )

    def _whole_training(self, plan: Plan) -> Detector:
        detector = self._build(plan)
        description = detector.describe()
        self._expect(
            description.family == self.family.name, f"describe: names the family {description.family!r}"
        )
        self._expect(
            0 <= description.trainable_parameters <= description.parameters and description.parameters > 0,
            f"describe: {description.trainable_parameters} of {description.parameters} parameters train",
        )
        workdir = self.folder / "whole"
        workdir.mkdir()
        before, here = inputs.files(self.folder, workdir), set(Path.cwd().iterdir())
        epochs: list[EpochRecord] = []
        steps: list[tuple[int, int]] = []
        record = detector.fit(
            self.layout,
            plan.recipe,
            self._context(workdir, _never_stop(epochs), lambda *step: steps.append(step)),
        )
        self._expect(inputs.files(self.folder, workdir) == before, "fit: it writes outside its workdir")
        self._expect(set(Path.cwd().iterdir()) == here, "fit: it writes to the current folder")
        self._check_epochs(epochs, record)
        self._expect(
            all(1 <= done <= total for done, total in steps),
            "fit: on_step should count from 1 to the number of steps",
        )
        return detector

    def _check_epochs(self, epochs: Sequence[EpochRecord], record: TrainingRecord) -> None:
        numbers = [epoch.epoch for epoch in epochs]
        self._expect(
            numbers == list(range(1, EPOCHS + 1)), f"fit: on_epoch got epochs {numbers}, not every epoch once"
        )
        self._expect(all(epoch.train_losses for epoch in epochs), "fit: an epoch without train losses")
        losses = [v for epoch in epochs for v in (*epoch.train_losses.values(), *epoch.val_losses.values())]
        self._expect(all(math.isfinite(value) for value in losses), "fit: a loss is not finite")
        self._expect(
            bool(epochs) and {"AP", "AP50"} <= set(epochs[-1].val_metrics),
            "fit: the last epoch has no AP and AP50 of score_val",
        )
        self._expect(record.epochs == EPOCHS, f"fit: says {record.epochs} epochs, not {EPOCHS}")
        self._expect(1 <= record.best_epoch <= EPOCHS, f"fit: chose epoch {record.best_epoch}")
        self._expect(not record.stopped_early, "fit: reports an early stop that was not requested")

    def _predictions(self, detector: Detector) -> None:
        found = list(detector.predict(self.images, batch_size=2))
        self._expect(len(found) == len(self.images), "predict: not one result per image")
        for path, one in zip(self.images, found, strict=False):
            self.failures += faults(path, one, classes=len(self.layout.classes))
        forward = list(detector.predict(self.images))
        backward = list(detector.predict(self.images[::-1]))[::-1]
        self._expect(equal(forward, backward), "predict: results are not in the order of the images")
        missing = [*self.images[:2], self.folder / "missing.png"]
        lazy = iter(detector.predict(missing))
        try:
            next(lazy)
        except Exception:
            self.failures.append("predict: it is not lazy: it opens the last image before the first result")
        self._expect(list(detector.predict([])) == [], "predict: returns results for an empty list of images")

    def _round_trip(self, detector: Detector) -> None:
        target = self.folder / "saved"
        detector.save(target)
        loaded = self.family.load(target, device=self.device)
        self._expect(
            equal(list(detector.predict(self.images)), list(loaded.predict(self.images))),
            "save and load: the loaded detector predicts differently",
        )
        self._expect(loaded.describe() == detector.describe(), "save and load: describe() differs")

    def _same_seed(self, plan: Plan, whole: Detector) -> None:
        again = self._build(plan)
        self._fit(again, plan, "again", _never_stop([]))
        self._expect(
            equal(list(whole.predict(self.images)), list(again.predict(self.images))),
            "repeat: the same seed gives a different result",
        )

    def _stop(self, plan: Plan) -> None:
        record = self._fit(self._build(plan), plan, "stopped", lambda epoch: True)
        self._expect(
            record.epochs == 1 and record.stopped_early, "stop: on_epoch returned True, and it trained on"
        )

    def _no_choice(self, plan: Plan) -> None:
        """Without score_val the last weights are kept, and nothing is validated."""
        epochs: list[EpochRecord] = []
        workdir = self.folder / "unjudged"
        workdir.mkdir()
        context = self._context(workdir, _never_stop(epochs), lambda done, total: None)
        record = self._build(plan).fit(self.layout, plan.recipe, replace(context, score_val=None))
        self._expect(
            record.best_epoch == record.epochs and not any(epoch.val_metrics for epoch in epochs),
            "without score_val it validates, or keeps other weights than the last",
        )

    def _resume(self, plan: Plan) -> None:
        """A second detector resumes what the first, killed one left in the workdir."""

        def kill(epoch: EpochRecord) -> bool:
            raise _Killed

        with contextlib.suppress(_Killed):
            self._fit(self._build(plan), plan, "killed", kill)
        epochs: list[EpochRecord] = []
        record = self._fit(self._build(plan), plan, "killed", _never_stop(epochs))
        numbers = [epoch.epoch for epoch in epochs]
        self._expect(
            record.epochs == EPOCHS and numbers[-1:] == [EPOCHS], "resume: it does not continue to the end"
        )
        self._expect(
            len(set(numbers)) == len(numbers) and record.optimizer_steps >= epochs[-1].optimizer_steps,
            f"resume: on_epoch got epochs {numbers}",
        )

    def _build(self, plan: Plan) -> Detector:
        return self.family.build(plan, classes=self.layout.classes, seed=_SEED, device=self.device)

    def _fit(
        self, detector: Detector, plan: Plan, name: str, on_epoch: Callable[[EpochRecord], bool]
    ) -> TrainingRecord:
        workdir = self.folder / name
        workdir.mkdir(exist_ok=True)
        return detector.fit(
            self.layout, plan.recipe, self._context(workdir, on_epoch, lambda done, total: None)
        )

    def _context(
        self,
        workdir: Path,
        on_epoch: Callable[[EpochRecord], bool],
        on_step: Callable[[int, int], Any],
    ) -> FitContext:
        return FitContext(
            workdir=workdir,
            seed=_SEED,
            device=self.device,
            score_val=Judge.of_layout(self.layout).score,
            on_epoch=on_epoch,
            on_step=on_step,
        )


def _never_stop(epochs: list[EpochRecord]) -> Callable[[EpochRecord], bool]:
    """An `on_epoch` that collects the records and never stops the training."""

    def on_epoch(epoch: EpochRecord) -> bool:
        json.dumps(epoch.model_dump(), allow_nan=False)
        epochs.append(epoch)
        return False

    return on_epoch
