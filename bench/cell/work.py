"""The stages of a cell: gates, fit, predict, time, judge. Each leaves its result: a killed cell repeats none.

cell.json -> gates.json -> fit -> best/ + fitted.json -> predictions_{val,test}.json -> record.json
"""

import shutil
import traceback
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from bench import evaluation, files, gates, registry
from bench.cell import device as devices
from bench.cell import gating, timing
from bench.cell.spec import CellSpec
from bench.cell.watch import Watch
from bench.detector import Detections, Detector, Family, FitContext
from bench.errors import BenchError
from bench.layout import Layout, SplitName
from bench.records import (
    CellRecord,
    Description,
    Efficiency,
    Failure,
    GateResult,
    SplitFigures,
    TrainingRecord,
)
from bench.store import CellFolder


class Fitted(BaseModel):
    """fitted.json: what the first stage found out."""

    model_config = ConfigDict(frozen=True)

    description: Description
    training: TrainingRecord
    native_metrics: dict[str, float]


def work(folder: CellFolder) -> CellRecord:
    """Do what is left of the cell and write its record, a failed one where something breaks.

    A user's or a framework's fault becomes a record with stage and reason; the traceback goes to the log.
    """
    cell = Cell(folder)
    try:
        record = cell.run()
    except Exception as error:
        traceback.print_exc()
        reason = str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"
        record = cell.failed(reason)
    write_record(folder, record)
    return record


def write_record(folder: CellFolder, record: CellRecord) -> None:
    """The last file of a cell."""
    files.write_text(folder.record_path, record.model_dump_json(indent=2) + "\n")


class Cell:
    """One cell at work."""

    def __init__(self, folder: CellFolder) -> None:
        self.folder = folder
        self.spec = CellSpec.read(folder)
        recipe = self.spec.plan.recipe
        self.watch = Watch(folder, patience=recipe.patience, monitor=recipe.monitor)
        self.stage = "start"
        self.gates: tuple[GateResult, ...] = ()

    def run(self) -> CellRecord:
        device = devices.resolve(self.spec.device)
        layout = Layout.open(self.spec.layout)
        family = registry.family(self.spec.plan.family)
        self.gates = gating.before(self.folder, self.spec, layout, device, self._enter_gate)
        if gates.reason(self.gates):
            return self._sealed(self._record(None))
        fitted = self._fit(family, layout, device)
        self._enter("load")
        # The stored checkpoint is judged, not what is left in memory: others can repeat the figures from it.
        detector = family.load(self.folder.checkpoint, device=device)
        for split in self.spec.splits:
            self._predict(detector, layout, split)
        efficiency = None
        if self.spec.timed:
            self._enter("time")
            efficiency = self._time(detector, layout, device)
        self._enter("judge")
        figures = self._judge(layout)
        self.gates += gating.after(self.folder, self.spec, layout, fitted.training)
        record = self._record(fitted)
        return self._sealed(record.model_copy(update={**figures, "efficiency": efficiency}))

    def _sealed(self, record: CellRecord) -> CellRecord:
        """With the gates' word on it: done, or invalid with the reason."""
        why = gates.reason(self.gates)
        update: dict[str, object] = {"gates": self.gates, "status": "invalid" if why else "done"}
        if why:
            update["failure"] = Failure(stage="gates", reason=why)
        return record.model_copy(update=update)

    def failed(self, reason: str) -> CellRecord:
        """The record of a cell that broke in its present stage."""
        record = failed_record(self.folder, self.spec, stage=self.stage, reason=reason)
        return record.model_copy(update={"gates": self.gates})

    def _enter(self, stage: str) -> None:
        self.stage = stage
        self.watch.stage(stage)

    def _enter_gate(self, name: str) -> None:
        self._enter(f"gate: {name}")

    def _fit(self, family: Family, layout: Layout, device: str) -> Fitted:
        done = self.folder.root / "fitted.json"
        if done.is_file():
            return Fitted.model_validate_json(done.read_bytes())
        self._enter("build")
        plan = self.spec.plan
        detector = family.build(plan, classes=layout.classes, seed=self.spec.seed, device=device)
        description = detector.describe()
        self._enter("fit")
        val = evaluation.load_ground_truth(layout.coco_path("val"))
        self.folder.workdir.mkdir(exist_ok=True)
        training = detector.fit(
            layout,
            plan.recipe,
            FitContext(
                workdir=self.folder.workdir,
                seed=self.spec.seed,
                device=device,
                score_val=lambda found: evaluation.score(val, found, self.spec.rare_classes),
                on_epoch=self.watch.epoch,
                on_step=self.watch.step,
            ),
        )
        _save(detector, self.folder.checkpoint)
        fitted = Fitted(description=description, training=training, native_metrics=self.watch.native())
        files.write_text(done, fitted.model_dump_json(indent=2) + "\n")
        return fitted

    def _predict(self, detector: Detector, layout: Layout, split: SplitName) -> None:
        path = self.folder.predictions_path(split)
        if path.is_file():
            return
        self._enter(f"predict {split}")
        examples = layout.examples(split)
        found: list[Detections] = []
        for detections in detector.predict(
            [example.path for example in examples], batch_size=timing.THROUGHPUT_BATCH
        ):
            found.append(detections)
            self.watch.step(len(found), len(examples))
        evaluation.write_results(path, evaluation.results_json(examples, found))

    def _time(self, detector: Detector, layout: Layout, device: str) -> Efficiency:
        pictures = [example.path for example in layout.examples(self.spec.splits[-1])]
        median, p95, timed = timing.latency_ms(detector, pictures)
        return Efficiency(
            checkpoint_bytes=timing.folder_bytes(self.folder.checkpoint),
            latency_ms=median,
            latency_p95_ms=p95,
            images_per_s=timing.images_per_s(detector, pictures),
            throughput_batch=timing.THROUGHPUT_BATCH,
            timed_pictures=timed,
            peak_memory_mib=timing.peak_memory_mib(),
            peak_gpu_memory_mib=timing.peak_gpu_memory_mib(device),
            device=device,
        )

    def _judge(self, layout: Layout) -> dict[str, SplitFigures]:
        """Figures of every split; the score threshold is chosen on val and used on all."""
        splits = self.spec.splits
        truth = {split: evaluation.load_ground_truth(layout.coco_path(split)) for split in splits}
        results = {split: evaluation.read_results(self.folder.predictions_path(split)) for split in splits}
        threshold = evaluation.best_threshold(truth["val"], results["val"])
        return {
            split: evaluation.evaluate_split(
                truth[split],
                results[split],
                classes=layout.classes,
                score_threshold=threshold,
                rare_classes=self.spec.rare_classes,
            )
            for split in splits
        }

    def _record(self, fitted: Fitted | None) -> CellRecord:
        spec = self.spec
        return CellRecord(
            cell=self.folder.name,
            model=spec.model,
            seed=spec.seed,
            dataset=spec.dataset,
            status="done",
            description=fitted.description if fitted else None,
            recipe=spec.plan.recipe.model_dump(mode="json"),
            options=dict(spec.plan.options),
            rare_classes=spec.rare_classes,
            ledger=spec.plan.ledger,
            training=fitted.training if fitted else None,
            native_metrics=fitted.native_metrics if fitted else {},
            provenance=spec.provenance,
        )


def failed_record(folder: CellFolder, spec: CellSpec, *, stage: str, reason: str) -> CellRecord:
    """The record of a cell without figures."""
    return CellRecord(
        cell=folder.name,
        model=spec.model,
        seed=spec.seed,
        dataset=spec.dataset,
        status="failed",
        failure=Failure(stage=stage, reason=reason),
        recipe=spec.plan.recipe.model_dump(mode="json"),
        options=dict(spec.plan.options),
        rare_classes=spec.rare_classes,
        ledger=spec.plan.ledger,
        provenance=spec.provenance,
    )


def _save(detector: Detector, target: Path) -> None:
    """Whole or not at all: a half-written checkpoint must never be judged."""
    partial = target.with_name(target.name + ".partial")
    for stale in (partial, target):
        shutil.rmtree(stale, ignore_errors=True)
    with files.writing(target):
        detector.save(partial)
    partial.replace(target)
