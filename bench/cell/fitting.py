"""One training of a cell: build, fit, save the checkpoint and the result."""

from collections.abc import Callable
from dataclasses import replace

from pydantic import BaseModel, ConfigDict

from bench import files, registry
from bench.cell import ranks
from bench.cell.monitor import TrainingMonitor
from bench.cell.spec import CellSpec
from bench.cell.timing import peak_gpu_memory_mib, peak_memory_mib
from bench.detector import FitContext
from bench.feasibility import check_shares
from bench.layout import Layout
from bench.records import Description, TrainingRecord
from bench.store import CellFolder


class FitResult(BaseModel):
    """fitted.json: the result of a training."""

    model_config = ConfigDict(frozen=True)

    description: Description
    training: TrainingRecord
    native_metrics: dict[str, float]


def fit(
    folder: CellFolder,
    spec: CellSpec,
    layout: Layout,
    context: FitContext,
    *,
    monitor: TrainingMonitor,
    enter: Callable[[str], None],
    give_up: Callable[[Exception], None],
) -> FitResult:
    """The result of the training in `folder`, if it is finished; otherwise train, or resume a killed
    training.

    `enter` is called with the stages `build` and `fit`, `give_up` as `bench.cell.ranks` says.
    """
    if folder.fitted_path.is_file():
        return FitResult.model_validate_json(folder.fitted_path.read_bytes())
    devices = spec.devices.resolve()
    check_shares(spec.plan.recipe, len(devices))
    enter("build")
    family = registry.family(spec.plan.family)
    detector = family.build(spec.plan, classes=layout.classes, seed=spec.seed, device=context.device)
    description = detector.describe()
    enter("fit")
    context.workdir.mkdir(parents=True, exist_ok=True)
    with ranks.other_ranks(spec, layout.root, context, devices, give_up) as world:
        training = detector.fit(layout, spec.plan.recipe, replace(context, world=world))
    training = training.model_copy(
        update={
            "peak_memory_mib": peak_memory_mib(),
            "peak_gpu_memory_mib": peak_gpu_memory_mib(context.device),
        }
    )
    with files.replacing_folder(folder.checkpoint) as draft:  # a half-written one must never be judged
        draft.rmdir()  # `save` makes it
        detector.save(draft)
    fit_result = FitResult(description=description, training=training, native_metrics=monitor.native())
    files.write_text(folder.fitted_path, fit_result.model_dump_json(indent=2) + "\n")
    return fit_result
