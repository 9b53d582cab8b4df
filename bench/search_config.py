"""`search:` of bench.yaml: the search space, the number of trials, the objectives."""

import contextlib
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Pruner = Literal["median", "hyperband", "none"]
Conditions = Mapping[str, tuple[Any, ...]]

FOCAL = ("focal", "weighted_focal")
WEIGHTED = ("weighted", "weighted_focal")

DEFAULT_SPACE: dict[str, Any] = {
    "loss.classification": ["standard", "weighted", "focal", "weighted_focal"],
    "loss.focal_gamma": {"low": 0.5, "high": 4.0},
    "loss.focal_alpha": {"low": 0.1, "high": 0.9},
    "loss.class_weights": ["inverse_frequency", "inverse_sqrt", "effective_number", "hard"],
    "loss.class_coefficient": {"low": 0.25, "high": 4.0, "log": True},
}
"""Losses against class imbalance. DETR's and Faster R-CNN's own coefficient is 1, YOLO's is 0.5."""

IMPLIED: dict[str, dict[str, tuple[Any, ...]]] = {
    "loss.focal_gamma": {"loss.classification": FOCAL},
    "loss.focal_alpha": {"loss.classification": FOCAL},
    "loss.class_weights": {"loss.classification": WEIGHTED},
    "loss.effective_beta": {"loss.class_weights": ("effective_number",)},
    "loss.hard_classes": {"loss.class_weights": ("hard",)},
}
"""Setting -> when it has an effect; used if the space has both settings and no `when`."""

CURVE_FIGURES = ("AP", "AP50", "AP75", "AR_100", "AP_rare")
"""Figures that are known after every epoch; the others only when a trial has ended."""
LEAST = ("latency_ms", "latency_p95_ms", "peak_memory_mib", "peak_gpu_memory_mib", "checkpoint_bytes")
"""Objectives for which less is better."""
OTHERS = (
    *("AP_small", "AP_medium", "AP_large", "AR_1", "AR_10", "AR_small", "AR_medium", "AR_large"),
    *("AP_25_50_75", "precision", "recall", "f1", "images_per_s"),
)
OBJECTIVES = (*CURVE_FIGURES, *OTHERS, *LEAST)
COSTS = ("images_per_s", *LEAST)
"""Objectives for which the judged checkpoint has to be timed."""


@dataclass(frozen=True)
class Categorical:
    """One of several values."""

    values: tuple[Any, ...]
    when: Conditions = field(default_factory=dict)


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; an integer if both ends are integers."""

    low: float
    high: float
    step: float | None = None
    log: bool = False
    when: Conditions = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    def holds(self, value: float) -> bool:
        """Whether `value` can be drawn: from low to high, an integer number of steps above low."""
        step = self.step or (1 if self.whole else None)
        above = Decimal(str(value)) - Decimal(str(self.low))  # 0.3 is three steps of 0.1 in decimals only
        return self.low <= value <= self.high and (step is None or not above % Decimal(str(step)))


Parameter = Categorical | Range


class SearchConfig(BaseModel):
    """`search:`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    space: dict[str, Any] = Field(
        default_factory=lambda: dict(DEFAULT_SPACE),
        description="Setting, as for --set -> a list of values, or {low, high, step, log, when}, or "
        "{choices, when}. `models.NAME.` before it: for that model only. Default: the losses "
        "and each model's learning rate.",
    )
    trials: int = Field(40, ge=1, description="For each model.")
    objectives: tuple[str, ...] = Field(
        ("AP",), min_length=1, max_length=2, description="Figures on val; two give a Pareto set."
    )
    pruner: Pruner | None = Field(
        None,
        description="Ends poor trials early. Default: median; none with two objectives.",
    )
    prune_after_trials: int = Field(5, ge=1, description="Complete trials before `median` ends any.")
    prune_after_epochs: int = Field(0, ge=0, description="Epochs that `median` lets every trial have.")
    random_trials: int = Field(
        10, ge=1, description="Trials drawn uniformly from the space before TPE starts."
    )
    seed: int = Field(
        0, ge=0, description="Of the drawing. Every trial trains with the first of the config's `seeds`."
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(
        None,
        description="Of the final trainings of best and standard; not the one that the trials train with, "
        "which was lucky for the best of them. Default: three others.",
    )
    storage: str | None = Field(
        None,
        description="Optuna's URL, e.g. postgresql://USER@HOST/BASE. Default: a file in the search's folder.",
    )
    lost_after_s: int = Field(
        60,
        ge=2,
        description="Seconds without a sign of life after which a worker loses its trial to the others.",
    )

    @field_validator("space", mode="before")
    @classmethod
    def _parsed(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        settings = flattened(value)
        if not settings:
            raise ValueError("has no setting to search over")
        found: list[str] = []
        for setting, raw in settings.items():
            try:
                parameter(raw)
            except ValueError as error:
                found.append(f"{setting}: {error}")
        if found:
            raise ValueError("; ".join(found))
        return settings

    @field_validator("objectives")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in OBJECTIVES:
                close = difflib.get_close_matches(name, OBJECTIVES, n=1)
                guess = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"{name} is unknown; there are: {', '.join(OBJECTIVES)}{guess}")
        return value

    @field_validator("seeds", "objectives")
    @classmethod
    def _once(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if value is not None and len(set(value)) < len(value):
            raise ValueError("holds the same value twice")
        return value

    @model_validator(mode="after")
    def _prunable(self) -> "SearchConfig":
        if self.pruner in ("median", "hyperband"):
            if len(self.objectives) > 1:
                raise ValueError("pruner: with two objectives trials can't be pruned; use none")
            if self.objectives[0] not in CURVE_FIGURES:
                raise ValueError(
                    f"pruner: {self.objectives[0]} is not known after every epoch; use none, "
                    f"or one of these objectives: {', '.join(CURVE_FIGURES)}"
                )
        return self

    @property
    def pruning(self) -> Pruner:
        """The pruner in use."""
        if self.pruner is not None:
            return self.pruner
        return "median" if len(self.objectives) == 1 and self.objectives[0] in CURVE_FIGURES else "none"

    @property
    def parameters(self) -> dict[str, Parameter]:
        return {setting: parameter(raw) for setting, raw in self.space.items()}


_RANGE = ("low", "high", "step", "log", "when")
_CHOICE = ("choices", "when")


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{train: {lr: {low: 1, high: 2}}} -> {train.lr: {low: 1, high: 2}}; dotted keys stay."""
    settings: dict[str, Any] = {}
    for key, value in tree.items():
        setting = f"{prefix}{key}"
        if isinstance(value, Mapping) and not set(value) & {*_RANGE, *_CHOICE}:
            settings |= flattened(value, f"{setting}.")
        else:
            settings[setting] = value
    return settings


def parameter(raw: Any) -> Parameter:
    """The values of one setting of the space. Raises ValueError."""
    if isinstance(raw, (list, tuple)):
        return Categorical(_values(raw))
    if not isinstance(raw, Mapping):
        raise ValueError(f"should be a list of values, or hold low and high; found {raw!r}")
    allowed = _CHOICE if "choices" in raw else _RANGE
    unknown = [key for key in raw if key not in allowed]
    if unknown:
        raise ValueError(f"has the unknown key {unknown[0]!r}; there are: {', '.join(allowed)}")
    when = _conditions(raw.get("when", {}))
    if "choices" in raw:
        return Categorical(_values(raw["choices"]), when)
    return _range(raw, when)


def _range(raw: Mapping[str, Any], when: Conditions) -> Range:
    missing = [key for key in ("low", "high") if key not in raw]
    if missing:
        raise ValueError(f"has no `{missing[0]}`")
    low, high = _number(raw["low"], "low"), _number(raw["high"], "high")
    step = None if raw.get("step") is None else _number(raw["step"], "step")
    log = raw.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"log should be true or false; found {log!r}")
    if low > high:
        raise ValueError(f"low is above high ({low} > {high})")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range needs low above 0 (low: {low})")
    if step is not None and step <= 0:
        raise ValueError(f"step should be above 0 (found {step})")
    if step is not None and log:
        raise ValueError("step and log exclude each other")
    parsed = Range(low, high, step, log, when)
    if step is not None and parsed.whole and not isinstance(step, int):
        raise ValueError(f"low and high are integers, so step should be one (found {step})")
    if not parsed.holds(high):
        raise ValueError(f"steps of {step} from {low} do not lead to high ({high})")
    return parsed


def _values(raw: Any) -> tuple[Any, ...]:
    if not isinstance(raw, Sequence) or isinstance(raw, str) or not raw:
        raise ValueError(f"should be a list of one value or more; found {raw!r}")
    if any(value in raw[:number] for number, value in enumerate(raw)):
        raise ValueError("holds the same value twice")
    return tuple(raw)


def _conditions(raw: Any) -> dict[str, tuple[Any, ...]]:
    if not isinstance(raw, Mapping):
        raise ValueError(f"`when` should hold settings and their values; found {raw!r}")
    return {
        setting: tuple(values) if isinstance(values, (list, tuple)) else (values,)
        for setting, values in flattened(raw).items()
    }


def _number(raw: Any, name: str) -> int | float:
    """A number; also from text, because YAML takes 1e-5, without a dot, for text."""
    if isinstance(raw, str):
        with contextlib.suppress(ValueError):
            raw = float(raw)
    if isinstance(raw, bool) or not isinstance(raw, (int, float)) or raw != raw or abs(raw) == float("inf"):
        raise ValueError(f"{name} should be a number; found {raw!r}")
    return raw
