"""`train.batch_size: auto`: the largest power of two that fits the device's memory, found by trial.

A process of its own trains a few steps at 1, 2, 4 ... pictures and tells what each took: whatever breaks
there costs the training nothing. On a GPU that goes on up to the first that does not fit. On a CPU, where a
process that takes too much is killed or slows the machine down, three sizes are measured, and the rise
between them tells the rest.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from bench import memory
from bench.cell.spec import CellSpec
from bench.errors import RecipeError, RunError
from bench.recipe import Budget, Recipe
from bench.records import LedgerEntry
from bench.store import CellFolder

LARGEST = 64
"""Pictures. More would leave a small dataset few steps in an epoch."""

HEADROOM = 0.8
"""Share of the free memory that may be used: pictures with many objects take more than those of a trial."""

MEASURED_ON_CPU = (1, 2, 4)


class Try(BaseModel):
    """One line of a trial: what so many pictures took."""

    model_config = ConfigDict(frozen=True)

    batch: int
    peak_mib: float
    outcome: Literal["fits", "lacking", "broken"] = "fits"
    reason: str = ""


Probe = Callable[[CellSpec, str, Sequence[int]], list[Try]]
"""Spec, device, batch sizes in rising order -> what was measured, up to the first that did not fit."""


def settled(
    folder: CellFolder, spec: CellSpec, images: int, device: str, *, probe: Probe | None = None
) -> CellSpec:
    """`spec` with a number for `batch_size`, written to cell.json: a resumed cell finds it there.

    Seeds of one model in a run train by the same number, the one that the first of them found.
    Raises Lacking where one picture is too much, RecipeError where the trial breaks otherwise.
    """
    recipe = spec.plan.recipe
    if recipe.batch_size != "auto":
        return spec
    found = _of_another_seed(folder, spec)
    if found is None:
        found = _found(spec, images // recipe.accumulate, device, probe or run_trial)
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
    sizes = [size for size in powers(LARGEST) if size <= max(1, most)]
    on_gpu = device.startswith("cuda")
    free = memory.free_mib(device)
    tries = probe(spec, device, sizes if on_gpu else [size for size in sizes if size in MEASURED_ON_CPU])
    return chosen(tries, sizes, HEADROOM * free), _told(tries, free, device)


def powers(most: int) -> list[int]:
    """1, 2, 4 ... up to `most`."""
    return [1 << power for power in range(most.bit_length())]


def chosen(tries: Sequence[Try], sizes: Sequence[int], limit_mib: float) -> int:
    """The largest of `sizes` that takes no more than `limit_mib`.

    As measured; what is larger than any that was tried, by the steepest rise between those.
    Raises Lacking, or RecipeError where a try broke for another reason than memory.
    """
    for broken in (one for one in tries if one.outcome == "broken"):
        raise RecipeError(
            f"the trial of {broken.batch} pictures broke: {broken.reason}",
            record="train.batch_size",
            value="auto",
            hint="say a number",
        )
    fitting = [one for one in tries if one.outcome == "fits"]
    failed = min((one.batch for one in tries if one.outcome == "lacking"), default=None)
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
        raise memory.Lacking(
            f"not even a batch of one picture fits: {least}, {limit_mib:,.0f} MiB may be used",
            record="train.batch_size",
            value="auto",
            hint="say a smaller train.image_size, or a smaller variant",
        )
    return max(kept)


def _told(tries: Sequence[Try], free: float, device: str) -> str:
    measured = ", ".join(
        f"{one.batch}: {one.peak_mib:,.0f} MiB" if one.outcome == "fits" else f"{one.batch}: too much"
        for one in tries
    )
    return (
        f"the largest power of two, up to {LARGEST}, that fits {HEADROOM:.0%} of the {free:,.0f} MiB "
        f"that were free on {device}; measured at {measured}"
    )


def _of_another_seed(folder: CellFolder, spec: CellSpec) -> tuple[int, str] | None:
    """What a cell of the same model in this run found."""
    for path in sorted(folder.root.parent.glob("*/cell.json")):
        try:
            other = CellSpec.read(CellFolder(path.parent))
        except (OSError, ValidationError):
            continue
        batch = other.plan.recipe.batch_size
        if other.model == spec.model and other.seed != spec.seed and isinstance(batch, int):
            why = f"found by trial for seed {other.seed}: seeds train by the same number"
            return batch, why
    return None


def run_trial(spec: CellSpec, device: str, sizes: Sequence[int]) -> list[Try]:
    """Measure in a process of its own, whose output goes to this one's. Raises RunError where it breaks."""
    with tempfile.TemporaryDirectory(prefix="bench-trial-") as room:
        path = Path(room) / "cell.json"
        path.write_text(spec.model_dump_json(), encoding="utf-8")
        settings = [sys.executable, "-m", "bench.cell.batch_trial", room, device, *map(str, sizes)]
        ended = subprocess.run(settings, stdin=subprocess.DEVNULL, check=False)
        told = Path(room) / "tries.jsonl"
        lines = told.read_text(encoding="utf-8").splitlines() if told.is_file() else []
    tries = [Try.model_validate_json(line) for line in lines]
    if ended.returncode < 0:  # a signal: the system's killer ends what takes too much without a word
        tries.append(Try(batch=sizes[len(tries)], peak_mib=0.0, outcome="lacking"))
    elif ended.returncode:
        raise RunError(f"the trial of batch sizes ended with code {ended.returncode}: see the cell's log")
    return tries


def trial_recipe(recipe: Recipe, batch: int) -> Recipe:
    """Two steps of so many pictures at the largest size of the recipe, everything learning; the second one
    finds the optimiser's memory taken."""
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
