"""The stages of a cell: gates, fit, predict, time, judge. Each stores its result: a killed cell repeats none.

cell.json -> gates.json -> fit -> best/ + fitted.json -> predictions_{val,test}.json -> matches_{val,test}.npz
  -> record.json
With `final: train+val`, before the last: final/, a training on train and val together (bench.cell.final).
"""

import traceback

from bench import evaluation, files, gates, memory, registry
from bench.cell import batch, gating, timing
from bench.cell import final as finals
from bench.cell.fitting import FitResult, fit
from bench.cell.monitor import OnEvent, TrainingMonitor, ignore
from bench.cell.spec import CellSpec
from bench.detector import Detections, Detector, FitContext
from bench.errors import BenchError
from bench.evaluation import Judge, MatchTable
from bench.layout import Layout, SplitName
from bench.records import (
    CellRecord,
    EpochRecord,
    Failure,
    FailureKind,
    FinalRecord,
    GateResult,
    SplitFigures,
)
from bench.store import CellFolder


def work(folder: CellFolder, on_event: OnEvent = ignore) -> CellRecord:
    """Run the remaining stages of the cell and write its record.

    An error becomes a failed record with stage and reason; its traceback goes to the log.
    """
    cell = Cell(folder, on_event)
    try:
        record = cell.run()
    except Exception as error:
        traceback.print_exc()
        record = cell.failed_with(error)
    write_record(folder, record)
    return record


def write_record(folder: CellFolder, record: CellRecord) -> None:
    """The last file of a cell."""
    files.write_text(folder.record_path, record.model_dump_json(indent=2) + "\n")


class Cell:
    """A cell that runs in this process."""

    def __init__(self, folder: CellFolder, on_event: OnEvent = ignore) -> None:
        self.folder = folder
        self.on_event = on_event
        self.spec = CellSpec.read(folder)
        self.device = self.spec.device
        recipe = self.spec.plan.recipe
        self.monitor = TrainingMonitor(folder, on_event, patience=recipe.patience, monitor=recipe.monitor)
        self.stage = "start"
        self.gates: tuple[GateResult, ...] = ()

    def run(self) -> CellRecord:
        device = self.device = self.spec.devices.resolve()[0]
        layout = Layout.open(self.spec.layout)
        family = registry.family(self.spec.plan.family)
        if self.spec.plan.recipe.batch_size == "auto":
            self._enter("batch size")
            self.spec = batch.resolve_batch_size(
                self.folder, self.spec, len(layout.examples("train")), device
            )
        self.gates = gating.before(self.folder, self.spec, layout, device, self._enter_gate)
        if gates.reason(self.gates):
            return self._with_status(self._record(None))
        judge = Judge.of_layout(layout, self.spec.rare_classes)
        fit_result = self._fit(layout, judge)
        self._enter("load")
        # The stored checkpoint is evaluated, not the weights in memory: others can reproduce the figures from
        # it.
        detector = family.load(self.folder.checkpoint, device=device)
        for split in self.spec.splits:
            self._predict(detector, layout, split, self.folder)
        efficiency = None
        if self.spec.timed:
            self._enter("time")
            images = [example.path for example in layout.examples(self.spec.splits[-1])]
            efficiency = timing.measure(detector, images, self.folder.checkpoint, device)
        self._enter("judge")
        figures = self._judge(judge)
        self.gates += gating.after(self.folder, self.spec, layout, fit_result.training)
        record = self._record(fit_result).model_copy(update={**figures, "efficiency": efficiency})
        if self.spec.final == "train+val" and not gates.reason(self.gates):
            del detector  # the final training needs its memory
            point = figures["val"].operating_point
            assert point is not None, "a cell chooses a threshold on val"
            final = self._final(layout, judge, fit_result, point.score_threshold)
            record = record.model_copy(update={"final": final})
        return self._with_status(record)

    def _with_status(self, record: CellRecord) -> CellRecord:
        """With the gates' results and the status: done, or invalid with the reason."""
        why = gates.reason(self.gates)
        update: dict[str, object] = {"gates": self.gates, "status": "invalid" if why else "done"}
        if why:
            update["failure"] = Failure(stage="gates", reason=why)
        return record.model_copy(update=update)

    def failed_with(self, error: Exception) -> CellRecord:
        """The record of a cell that ended with `error`."""
        out_of_memory = memory.is_out_of_memory(error)
        if isinstance(error, BenchError):
            reason = str(error)
        elif out_of_memory:
            spec = self.spec
            reason = memory.reason(error, spec.plan.recipe, self.device, spec.devices.count)
        else:
            reason = f"{type(error).__name__}: {error}"
        return self.failed(reason, kind="out_of_memory" if out_of_memory else "error")

    def failed(self, reason: str, *, kind: FailureKind = "error") -> CellRecord:
        """The record of a cell that failed in its present stage."""
        record = failed_record(self.folder, self.spec, stage=self.stage, reason=reason, kind=kind)
        return record.model_copy(update={"gates": self.gates})

    def _enter(self, stage: str) -> None:
        self.stage = stage
        self.monitor.stage(stage)

    def _enter_gate(self, name: str) -> None:
        self._enter(f"gate: {name}")

    def _enter_final(self, stage: str) -> None:
        self._enter(f"final {stage}")

    def _fit(self, layout: Layout, judge: Judge) -> FitResult:
        context = FitContext(
            workdir=self.folder.workdir,
            seed=self.spec.seed,
            device=self.device,
            score_val=judge.score,
            on_epoch=self.monitor.epoch,
            on_step=self.monitor.step,
        )
        return fit(
            self.folder,
            self.spec,
            layout,
            context,
            monitor=self.monitor,
            enter=self._enter,
            give_up=self._give_up,
        )

    def _give_up(self, error: Exception) -> None:
        write_record(self.folder, self.failed_with(error))

    def _final(self, layout: Layout, judge: Judge, first: FitResult, threshold: float) -> FinalRecord:
        """Train on train and val together, and evaluate the last weights on test at val's threshold."""
        folder = self.folder.final
        self._enter("final data")
        together = finals.join_splits(layout, folder.root / "data")
        monitor = TrainingMonitor(folder, self.on_event, patience=0)
        last = finals.last_epoch(first.training)

        def on_epoch(epoch: EpochRecord) -> bool:
            monitor.epoch(epoch)
            return finals.ends_with(epoch, last)

        context = FitContext(
            workdir=folder.workdir,
            seed=self.spec.seed,
            device=self.device,
            score_val=None,
            on_epoch=on_epoch,
            on_step=monitor.step,
        )
        fit_result = fit(
            folder,
            self.spec,
            together,
            context,
            monitor=monitor,
            enter=self._enter_final,
            give_up=self._give_up,
        )
        self._enter_final("load")
        detector = registry.family(self.spec.plan.family).load(folder.checkpoint, device=self.device)
        self._predict(detector, layout, "test", folder)
        self._enter_final("judge")
        test = judge.figures(_matched(judge, folder, "test"), threshold)
        return FinalRecord(images=len(together.examples("train")), training=fit_result.training, test=test)

    def _predict(self, detector: Detector, layout: Layout, split: SplitName, folder: CellFolder) -> None:
        path = folder.predictions_path(split)
        if path.is_file():
            return
        self._enter(f"predict {split}")
        examples = layout.examples(split)
        found: list[Detections] = []
        for detections in detector.predict(
            [example.path for example in examples], batch_size=timing.THROUGHPUT_BATCH
        ):
            found.append(detections)
            self.monitor.step(len(found), len(examples))
        evaluation.write_results(path, evaluation.results_json(examples, found))

    def _judge(self, judge: Judge) -> dict[str, SplitFigures]:
        """Figures of every split; the score threshold is chosen on val and used on all."""
        tables = {split: _matched(judge, self.folder, split) for split in self.spec.splits}
        threshold = evaluation.best_threshold(tables["val"])
        return {split: judge.figures(table, threshold) for split, table in tables.items()}

    def _record(self, fit_result: FitResult | None) -> CellRecord:
        spec = self.spec
        return CellRecord(
            cell=self.folder.name,
            model=spec.model,
            seed=spec.seed,
            share=spec.share,
            dataset=spec.dataset,
            status="done",
            description=fit_result.description if fit_result else None,
            recipe=spec.plan.recipe.model_dump(mode="json"),
            options=dict(spec.plan.options),
            rare_classes=spec.rare_classes,
            ledger=spec.plan.ledger,
            training=fit_result.training if fit_result else None,
            native_metrics=fit_result.native_metrics if fit_result else {},
            provenance=spec.provenance,
        )


def _matched(judge: Judge, folder: CellFolder, split: SplitName) -> MatchTable:
    """The match table of the split's predictions, written beside them."""
    table = judge.match(split, evaluation.read_results(folder.predictions_path(split)))
    evaluation.write_matches(folder.matches_path(split), table)
    return table


def failed_record(
    folder: CellFolder, spec: CellSpec, *, stage: str, reason: str, kind: FailureKind = "error"
) -> CellRecord:
    """The record of a cell without figures."""
    return CellRecord(
        cell=folder.name,
        model=spec.model,
        seed=spec.seed,
        share=spec.share,
        dataset=spec.dataset,
        status="failed",
        failure=Failure(stage=stage, reason=reason, kind=kind),
        recipe=spec.plan.recipe.model_dump(mode="json"),
        options=dict(spec.plan.options),
        rare_classes=spec.rare_classes,
        ledger=spec.plan.ledger,
        provenance=spec.provenance,
    )
