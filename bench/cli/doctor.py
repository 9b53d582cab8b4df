"""`bench doctor`: the installation, and the gates of models that are not trained for it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import registry
from bench.adapters.weights.download import download_progress
from bench.cli import installation
from bench.cli.console import console
from bench.cli.progress import watcher
from bench.config import BenchConfig, ModelConfig, read_config
from bench.detector import Plan
from bench.errors import BenchError, WeightsError
from bench.gates import Subject, before_training
from bench.gates.overfit import MOST_IMAGES
from bench.records import GateResult
from bench.reports import wording

CLASSES = ("first", "second", "third")
"""What a model is built for here: it sees no data."""


MARKS = {True: Text("ok", style="green"), False: Text("NO", style="red"), None: Text(wording.NOTHING)}


@dataclass(frozen=True)
class Examined:
    """What the gates say of one model; a model that can't even be planned or built has one that fails."""

    model: str
    gates: tuple[GateResult, ...]
    note: str = ""

    @property
    def well(self) -> bool:
        return all(gate.passed for gate in self.gates)


def doctor(models: list[str], config_path: Path | None, overrides: list[str]) -> None:
    config = read_config(config_path, overrides=overrides, models=models)
    screen = console()
    well = _show_installation(screen)
    with watcher(screen) as view, download_progress(view.weights):
        for examined in examine(config):
            screen.print(_table(examined))
            if examined.note:
                screen.print(f"  {examined.note}")
            well = well and examined.well
    if not well:
        raise typer.Exit(1)
    screen.print("All is well.")


def examine(config: BenchConfig) -> Iterator[Examined]:
    """Model by model. A model's mistakes are its own: the others are examined all the same."""
    device = config.devices.resolve()[0]
    for model in config.models:
        try:
            plan, note = _planned(model, config)
            yield Examined(model.name, _asked(plan, config.seeds[0], device), note)
        except BenchError as error:
            ill = GateResult(name="plan", passed=False, detail=str(error), duration_s=0.0)
            yield Examined(model.name, (ill,))


def _planned(model: ModelConfig, config: BenchConfig) -> tuple[Plan, str]:
    """As it would be trained; with random weights, and a note, where its own are not to be had."""
    family = registry.family(model.family)
    recipe = model.recipe(config.train, config.loss)

    def plan(weights: str | None) -> Plan:
        return family.plan(variant=model.variant, weights=weights, options=model.options, recipe=recipe)

    try:
        return plan(model.weights), ""
    except WeightsError as error:
        if model.weights not in (None, "pretrained"):
            raise
        return plan("none"), f"examined with random weights: {error}"


def _asked(plan: Plan, seed: int, device: str) -> tuple[GateResult, ...]:
    if plan.recipe.batch_size == "auto":  # which only a cell finds out; the gates look at this many
        plan = replace(plan, recipe=plan.recipe.model_copy(update={"batch_size": MOST_IMAGES}))
    subject = Subject(registry.family(plan.family), plan, CLASSES, seed, device)
    with tempfile.TemporaryDirectory(prefix="bench-doctor-") as room:
        return before_training(subject, Path(room))


def _show_installation(screen: Console) -> bool:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    well = True
    for finding in installation.findings():
        well = well and finding.well is not False
        mark = MARKS[finding.well]
        table.add_row(mark, Text(finding.what), Text(finding.told))
    screen.print(table)
    return well


def _table(examined: Examined) -> Table:
    table = Table(title=examined.model, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in ("gate", "passed", "what was found"):
        table.add_column(column, overflow="fold")
    table.add_column("seconds", justify="right")
    for gate in examined.gates:
        answer = "no" if not gate.passed else "yes, but see" if gate.flagged else "yes"
        table.add_row(
            Text(gate.name),
            Text(answer, style="" if gate.passed else "red"),
            Text(gate.detail),
            f"{gate.duration_s:.1f}",
        )
    return table
