"""`train.batch_size: auto`: the largest power of two that fits the device's memory, found by measurement.

A process of its own (bench.cell.batch_probe) trains a few steps at 1, 2, 4 ... images and reports what each
took: a crash there does not harm the training. On a GPU it goes up to the first size that does not fit. On a
CPU, where a process that takes too much is killed or slows the machine down, three sizes are measured and
larger ones are extrapolated.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import memory
from bench.cell.spec import CellSpec
from bench.devices import on_gpu
from bench.errors import RecipeError, RunError
from bench.process import Child
from bench.recipe import Budget, Recipe
from bench.records import LedgerEntry
from bench.store import CellFolder

LARGEST = 64
"""Images. More would leave a small dataset few steps in an epoch."""

HEADROOM = 0.8
"""Share of the free memory that may be used: images with many objects take more than those measured."""

MEASURED_ON_CPU = (1, 2, 4)


class ProbeTask(BaseModel):
    """What bench.cell.batch_probe is to measure."""

    model_config = ConfigDict(frozen=True)

    spec: CellSpec
    device: str
    sizes: tuple[int, ...]
    """Rising."""


class Measurement(BaseModel):
    """What a batch of so many images took."""

    model_config = ConfigDict(frozen=True)

    batch: int
    peak_mib: float
    outcome: Literal["fits", "out_of_memory", "error"] = "fits"
    reason: str = ""


Probe = Callable[[CellSpec, str, Sequence[int]], list[Measurement]]
"""Spec, device, batch sizes in rising order -> what was measured, up to the first that did not fit."""


def resolve_batch_size(
    folder: CellFolder, spec: CellSpec, images: int, device: str, *, probe: Probe | None = None
) -> CellSpec:
    """`spec` with a number for `batch_size`, written to cell.json: a resumed cell finds it there.

    All cells of a model in a run use the number that the first of them found; a share of train that has
    fewer images, the largest that it can fill.
    Raises Lacking where one image is too much, RecipeError where the measurement fails for another reason.
    """
    recipe = spec.plan.recipe
    if recipe.batch_size != "auto":
        return spec
    most = max(1, images // recipe.accumulate)
    found = _of_another_cell(folder, spec, most)
    if found is None:
        found = _found(spec, most, device, probe or run_probe)
    batch, why = found
    entry = LedgerEntry(setting="batch_size", asked="auto", used=str(batch), why=why)
    plan = replace(
        spec.plan,
        recipe=recipe.model_copy(update={"batch_size": batch}),
        ledger=(*spec.plan.ledger, entry),
    )
    spec = spec.model_copy(update={"plan": plan})
    spec.write(folder)
    return spec


def _found(spec: CellSpec, most: int, device: str, probe: Probe) -> tuple[int, str]:
    """The batch, and how it was found."""
    if not spec.plan.recipe.trains:
        return 1, "nothing is trained"
    sizes = [size for size in powers(LARGEST) if size <= most]
    free = memory.free_mib(device)
    candidates = sizes if on_gpu(device) else [size for size in sizes if size in MEASURED_ON_CPU]
    measured = probe(spec, device, candidates)
    return largest_fitting(measured, sizes, HEADROOM * free), _summary(measured, free, device)


def powers(most: int) -> list[int]:
    """1, 2, 4 ... up to `most`."""
    return [1 << power for power in range(most.bit_length())]


def largest_fitting(measured: Sequence[Measurement], sizes: Sequence[int], limit_mib: float) -> int:
    """The largest of `sizes` that takes no more than `limit_mib`.

    Sizes that were not measured are extrapolated by the steepest rise between measured ones.
    Raises Lacking, or RecipeError where a measurement failed for another reason than memory.
    """
    for broken in (one for one in measured if one.outcome == "error"):
        raise RecipeError(
            f"training with {broken.batch} images fails: {broken.reason}",
            record="train.batch_size",
            value="auto",
            hint="give a number",
        )
    fitting = [one for one in measured if one.outcome == "fits"]
    failed = min((one.batch for one in measured if one.outcome == "out_of_memory"), default=None)
    taken = {one.batch: one.peak_mib for one in fitting}
    if len(taken) > 1:
        steepest = max((taken[more] - taken[less]) / (more - less) for less, more in pairwise(sorted(taken)))
        most = max(taken)
        taken |= {size: taken[most] + steepest * (size - most) for size in sizes if size > most}
    kept = [
        size
        for size in sizes
        if size in taken and taken[size] <= limit_mib and (failed is None or size < failed)
    ]
    if not kept:
        least = f"one takes {taken[1]:,.0f} MiB" if 1 in taken else "one is too much"
        raise memory.OutOfMemoryError(
            f"not even a batch of one image fits: {least}, {limit_mib:,.0f} MiB may be used",
            record="train.batch_size",
            value="auto",
            hint="use a smaller train.image_size, or a smaller variant",
        )
    return max(kept)


def _summary(measured: Sequence[Measurement], free: float, device: str) -> str:
    taken = ", ".join(
        f"{one.batch}: {one.peak_mib:,.0f} MiB" if one.outcome == "fits" else f"{one.batch}: too much"
        for one in measured
    )
    return (
        f"the largest power of two, up to {LARGEST}, that fits {HEADROOM:.0%} of the {free:,.0f} MiB "
        f"that were free on {device}; measured at {taken}"
    )


def _of_another_cell(folder: CellFolder, spec: CellSpec, most: int) -> tuple[int, str] | None:
    """The number that another cell of the same model in this run uses, and where it is from."""
    for path in sorted(folder.root.parent.glob("*/cell.json")):
        try:
            other = CellSpec.read(CellFolder(path.parent))
        except (OSError, ValidationError):
            continue
        batch = other.plan.recipe.batch_size
        if other.model == spec.model and path.parent != folder.root and isinstance(batch, int):
            why = f"found for seed {other.seed}: all seeds of a model train with the same batch size"
            return min(batch, powers(most)[-1]), why
    return None


def run_probe(spec: CellSpec, device: str, sizes: Sequence[int]) -> list[Measurement]:
    """Measure in a process of its own, whose output goes to this one's error. Raises RunError where it
    breaks."""
    task = ProbeTask(spec=spec, device=device, sizes=tuple(sizes))
    with Child("bench.cell.batch_probe", task=task.model_dump_json(), own_session=False) as probe:
        found = [Measurement.model_validate(message) for message in probe.messages()]
        outcome = probe.end()
    if outcome.by_signal:  # the system ends a process that takes too much memory
        found.append(Measurement(batch=sizes[len(found)], peak_mib=0.0, outcome="out_of_memory"))
    elif not outcome.ok:
        raise RunError(f"the measurement of batch sizes {outcome}: see the cell's log")
    return found


def probe_recipe(recipe: Recipe, batch: int) -> Recipe:
    """Two steps of `batch` images at the largest size of the recipe, nothing frozen; by the second one the
    optimiser's state is allocated."""
    changes: dict[str, Any] = {
        "batch_size": batch,
        "accumulate": 1,
        "multi_scale": 0.0,
        "stages": (),
        "budget": Budget(steps=2),
        "compile": False,
        "workers": 0,
    }
    if recipe.multi_scale and recipe.image_size is not None:
        size = recipe.input_size.scaled(1 + recipe.multi_scale)
        changes["image_size"] = size.long if size.short == size.long else f"{size.short}x{size.long}"
    return recipe.model_copy(update=changes)
