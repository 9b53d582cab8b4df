"""Models that differ only in their loss: each against the one with the standard loss, paired by seed."""

from dataclasses import dataclass
from typing import Any

from bench.loss import LossConfig
from bench.records import CellRecord
from bench.reports.comparison import Comparison, Contestant
from bench.reports.paired import Figure, Paired
from bench.reports.ranking import rare_ap, test_ap

IN_OPTIONS = frozenset(
    {
        *("class_coefficient", "l1_coefficient", "iou_coefficient"),
        *("class_cost", "l1_cost", "iou_cost", "background_weight"),
    }
)
"""Loss settings that families keep among their own options."""


@dataclass(frozen=True)
class AgainstStandard:
    """One model minus the same model with the standard loss, on test."""

    contestant: Contestant
    standard: Contestant
    ap: Paired
    rare_ap: Paired | None


def against_standard(comparison: Comparison) -> list[AgainstStandard]:
    """In the order of the ranking; empty where no model has a twin with the standard loss."""
    standards = [(c, c.shown) for c in comparison.finished if c.shown and _is_standard(c.shown)]
    found = []
    for contestant in comparison.finished:
        mine = contestant.shown
        if mine is None or _is_standard(mine):
            continue
        standard = next((c for c, record in standards if _differ_in_loss_alone(mine, record)), None)
        if standard is None:
            continue
        pair = _Pair(comparison, contestant, standard)
        if ap := pair.of("AP", test_ap):
            found.append(AgainstStandard(contestant, standard, ap, pair.of("AP_rare", rare_ap)))
    return found


@dataclass(frozen=True)
class _Pair:
    comparison: Comparison
    contestant: Contestant
    standard: Contestant

    def of(self, name: str, figure: Figure) -> Paired | None:
        """One figure, with its interval among those of all pairs of models where all seeds are paired."""
        base, ours = _by_seed(self.standard), _by_seed(self.contestant)
        known = self.comparison.certainty
        intervals = None if isinstance(known, str) or base.keys() != ours.keys() else known.comparison(name)
        labels = self.contestant.label, self.standard.label
        return Paired.of(figure, base, ours, intervals.difference(*labels) if intervals else None)


def _by_seed(contestant: Contestant) -> dict[int, CellRecord]:
    return {record.seed: record for record in contestant.done}


def _loss(record: CellRecord) -> dict[str, Any]:
    return record.recipe.get("loss") or {}


def _is_standard(record: CellRecord) -> bool:
    standard = LossConfig().model_dump(mode="json")
    return all(standard.get(setting) == value for setting, value in _loss(record).items())


def _differ_in_loss_alone(mine: CellRecord, standard: CellRecord) -> bool:
    one, other = mine.description, standard.description
    if (
        one is None
        or other is None
        or (one.family, one.variant, one.weights)
        != (
            other.family,
            other.variant,
            other.weights,
        )
    ):
        return False
    if {**mine.recipe, "loss": None} != {**standard.recipe, "loss": None}:
        return False
    reaches_options = any(_loss(mine).get(setting) is not None for setting in IN_OPTIONS)
    return reaches_options or mine.options == standard.options
