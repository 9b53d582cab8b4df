"""`bench.doctor`: the installation, and the gates of models that are not trained for it."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench import registry
from bench.api import call, frames, installation
from bench.api.installation import CheckResult
from bench.api.progress import watch
from bench.config import BenchConfig, ModelConfig, Overrides, Source, read_config
from bench.detector import Plan
from bench.errors import BenchError, WeightsError
from bench.gates import Candidate, before_training
from bench.gates.overfit import MOST_IMAGES
from bench.records import GateResult

if TYPE_CHECKING:
    from pandas import DataFrame

CLASSES = ("first", "second", "third")
"""What a model is built for here: it sees no data."""


@dataclass(frozen=True)
class Examined:
    """What the gates say about one model. One that can't be planned or built fails a gate called `plan`."""

    model: str
    gates: tuple[GateResult, ...]
    note: str = ""

    @property
    def passed(self) -> bool:
        return all(gate.passed for gate in self.gates)


@dataclass(frozen=True)
class Checkup:
    """What `bench.doctor` found."""

    findings: tuple[CheckResult, ...]
    examined: tuple[Examined, ...]

    @property
    def passed(self) -> bool:
        """Whether no version is too old and every model passes its gates."""
        return all(one.passed is not False for one in self.findings) and all(
            one.passed for one in self.examined
        )

    @property
    def installation(self) -> "DataFrame":
        """One row for each finding; `passed` is None for a fact that is neither good nor bad."""
        rows = [(one.subject, one.passed, one.detail) for one in self.findings]
        return frames.frame(rows, ("subject", "passed", "detail"))

    @property
    def gates(self) -> "DataFrame":
        """One row for each model and gate."""
        rows = [{"model": one.model, **gate.model_dump()} for one in self.examined for gate in one.gates]
        return frames.frame(rows, ("model", *GateResult.model_fields))

    def _repr_html_(self) -> str:
        return f"{self.installation.to_html(index=False)}{self.gates.to_html(index=False)}"


def doctor(
    models: str | Iterable[str] = (),
    *,
    config: Source = None,
    overrides: Overrides = (),
    progress: bool | None = None,
) -> Checkup:
    """Look over the installation, and put every model through its gates without training it.

    Arguments as for `bench.run`. Raises ConfigError for the config; what is wrong with a model is reported.
    """
    settings = read_config(config, overrides=overrides, models=call.names(models))
    with watch(progress):
        return Checkup(tuple(installation.findings()), tuple(examine(settings)))


def examine(config: BenchConfig) -> Iterator[Examined]:
    """Model by model. A model that can't be planned or built does not keep the others from being examined."""
    device = config.devices.resolve()[0]
    for model in config.models:
        try:
            plan, note = _planned(model, config)
            yield Examined(model.name, _gated(plan, config.seeds[0], device), note)
        except BenchError as error:
            failure = GateResult(name="plan", passed=False, detail=str(error), duration_s=0.0)
            yield Examined(model.name, (failure,))


def _planned(model: ModelConfig, config: BenchConfig) -> tuple[Plan, str]:
    """The plan of a training, and a note where its weights are missing and random ones take their place."""
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


def _gated(plan: Plan, seed: int, device: str) -> tuple[GateResult, ...]:
    if plan.recipe.batch_size == "auto":  # only a cell finds it out
        plan = replace(plan, recipe=plan.recipe.model_copy(update={"batch_size": MOST_IMAGES}))
    candidate = Candidate(registry.family(plan.family), plan, CLASSES, seed, device)
    with tempfile.TemporaryDirectory(prefix="bench-doctor-") as workdir:
        return before_training(candidate, Path(workdir))
