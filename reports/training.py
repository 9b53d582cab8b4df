"""How each model was trained and where they differ: settings side by side, and the fairness ledger."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.records import (
    CellRecord,
    Description,
    Efficiency,
    LedgerEntry,
    LossRecord,
    SplitFigures,
    TrainingRecord,
)
from bench.reports import wording
from bench.reports.comparison import Comparison, Contestant


@dataclass(frozen=True)
class SettingRow:
    """One setting and its value for every finished model, in the order of the ranking."""

    setting: str
    values: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class LedgerRow:
    """A place where one model was not treated like the others."""

    contestant: Contestant
    entry: LedgerEntry


@dataclass(frozen=True)
class NativeRow:
    """One figure of a framework, and the one of bench's that it is closest to."""

    metric: str
    value: str
    counterpart: str
    ours: str
    difference: str


@dataclass(frozen=True)
class NativeMetrics:
    """One model's, and how they differ from bench's."""

    contestant: Contestant
    rows: tuple[NativeRow, ...]
    notes: tuple[LedgerEntry, ...]


Getter = Callable[[CellRecord], str]

COUNTERPARTS: dict[str, tuple[str, Callable[[SplitFigures], float | None]]] = {
    "mAP50-95": ("AP", lambda figures: figures.coco.AP),
    "mAP50": ("AP50", lambda figures: figures.coco.AP50),
    "precision": ("precision", lambda figures: getattr(figures.operating_point, "precision", None)),
    "recall": ("recall", lambda figures: getattr(figures.operating_point, "recall", None)),
}
"""A framework's name of a figure -> bench's name, and the figure."""


def _description(get: Callable[[Description], str]) -> Getter:
    return lambda record: get(record.description) if record.description else wording.NOTHING


def _training(get: Callable[[TrainingRecord], str]) -> Getter:
    return lambda record: get(record.training) if record.training else wording.NOTHING


def _efficiency(get: Callable[[Efficiency], str]) -> Getter:
    return lambda record: get(record.efficiency) if record.efficiency else wording.NOTHING


def _loss(get: Callable[[LossRecord], str]) -> Getter:
    return lambda record: (
        get(record.training.loss) if record.training and record.training.loss else wording.NOTHING
    )


def _per_epoch(training: TrainingRecord) -> str:
    return wording.seconds(training.duration_s / training.epochs) if training.epochs else wording.NOTHING


def _class_map(description: Description) -> str:
    """'cup: cup, bone: none'; a dash where the class head was trained."""
    pairs = [f"{ours}: {theirs or 'none'}" for ours, theirs in description.class_map.items()]
    return ", ".join(pairs) or wording.NOTHING


CLASS_MAP = "not trained: our classes, and the weights' own"
"""A row only where some model was evaluated without training."""


def _final(record: CellRecord) -> str:
    """What the final training took, and the test AP of the model chosen on val before it."""
    if record.final is None:
        return wording.NOTHING
    training = record.final.training
    chosen = wording.share(record.test.coco.AP if record.test else None)
    return (
        f"{training.epochs} epochs on {wording.count(record.final.images, 'image')} "
        f"({training.images_seen:,} seen, {training.optimizer_steps:,} steps, "
        f"{wording.seconds(training.duration_s)}); "
        f"the model chosen on val has a test AP of {chosen}"
    )


FINAL = "final training, on train and val"
"""A row only where some model had one."""

FACTS: tuple[tuple[str, Getter], ...] = (
    ("family", _description(lambda d: d.family)),
    ("variant", _description(lambda d: d.variant)),
    ("pretrained on", _description(lambda d: d.pretrained_on)),
    ("weights file", _description(lambda d: d.weights or "none")),
    ("weights SHA-256", _description(lambda d: d.weights_sha256[:12] if d.weights_sha256 else "none")),
    (CLASS_MAP, _description(_class_map)),
    ("normalisation layers", _description(lambda d: d.normalisation)),
    ("input size, long side in px", _description(lambda d: f"{d.input_size:,}")),
    ("parameters, total", _description(lambda d: f"{d.parameters:,}")),
    ("parameters, trainable", _description(lambda d: f"{d.trainable_parameters:,}")),
    ("epochs trained", _training(lambda t: str(t.epochs))),
    ("best epoch", _training(lambda t: str(t.best_epoch))),
    ("chosen by", _training(lambda t: t.chosen_by)),
    ("stopped early", _training(lambda t: "yes" if t.stopped_early else "no")),
    ("images seen", _training(lambda t: f"{t.images_seen:,}")),
    ("optimiser steps", _training(lambda t: f"{t.optimizer_steps:,}")),
    ("training time", _training(lambda t: wording.seconds(t.duration_s))),
    ("time an epoch", _training(_per_epoch)),
    ("peak memory, training", _training(lambda t: wording.mebibytes(t.peak_memory_mib))),
    ("peak memory, training, GPU", _training(lambda t: wording.mebibytes(t.peak_gpu_memory_mib))),
    (FINAL, _final),
    ("seed", lambda r: str(r.seed)),
    ("checkpoint", _efficiency(lambda e: wording.bytes_(e.checkpoint_bytes))),
    ("timed on", _efficiency(lambda e: f"{e.device}, {e.timed_images:,} images")),
    ("latency, 95th percentile", _efficiency(lambda e: f"{wording.number(e.latency_p95_ms)} ms")),
    ("batch size of images / s", _efficiency(lambda e: str(e.throughput_batch))),
    ("peak memory, timed process", _efficiency(lambda e: wording.mebibytes(e.peak_memory_mib))),
    ("peak memory, timed process, GPU", _efficiency(lambda e: wording.mebibytes(e.peak_gpu_memory_mib))),
    ("score threshold, chosen on val", lambda r: wording.share(r.score_threshold)),
)
"""What each model is and what its training took, whatever the recipe asked for."""


LOSS: tuple[tuple[str, Callable[[LossRecord], str]], ...] = (
    ("formula", lambda loss: loss.formula),
    ("normalised to the standard loss", lambda loss: "yes" if loss.normalised else "no"),
    ("scale", lambda loss: wording.number(loss.scale)),
    ("background weight", lambda loss: wording.number(loss.background_weight)),
)
"""How the classification loss was changed against class imbalance."""

LOSS_PREFIX = "loss."


def facts(comparison: Comparison) -> list[SettingRow]:
    """What each model is and what its training took; several seeds give several values where they differ."""
    rows = [_row(setting, get, comparison) for setting, get in FACTS]
    return [
        row for row in rows if row.setting not in (CLASS_MAP, FINAL) or set(row.values) != {wording.NOTHING}
    ]


def class_loss(comparison: Comparison) -> list[SettingRow]:
    """Changes of the classification loss, with one row per class for the weights; empty where there are none.

    Most frequent class of the train split first.
    """
    found = [
        record.training.loss for record in comparison.records if record.training and record.training.loss
    ]
    if not found:
        return []
    counts = {name: count for loss in found for name, count in loss.train_counts.items()}
    rows = [_row(setting, _loss(get), comparison) for setting, get in LOSS]
    return rows + [
        _row(
            f"weight of {name} ({count:,} boxes)",
            _loss(lambda loss, name=name: wording.number(loss.class_weights.get(name))),  # type: ignore[misc]
            comparison,
        )
        for name, count in sorted(counts.items(), key=lambda item: -item[1])
    ]


def rare_classes(comparison: Comparison) -> str:
    """Whose mean AP is AP_rare, with their test boxes; empty where no cell has that figure."""
    known = [r for r in comparison.records if any(f and f.AP_rare is not None for f in (r.val, r.test))]
    return _joined([", ".join(_with_boxes(record)) for record in known])


def rare_intervals(comparison: Comparison) -> str:
    """'b minus a: +0.012 (−0.080 to +0.104)' for AP_rare of each model and the first, where known."""
    known = comparison.certainty
    intervals = None if isinstance(known, str) else known.comparison("AP_rare")
    if intervals is None or len(intervals.order) < 2:
        return ""
    first, *others = intervals.order
    found = [intervals.difference(first, other) for other in others]
    return "; ".join(
        f"{d.one} minus {d.other}: {wording.signed(d.estimate)} "
        f"({wording.signed(d.low)} to {wording.signed(d.high)})"
        for d in found
    )


def _with_boxes(record: CellRecord) -> list[str]:
    boxes = {figures.name: figures.ground_truths for figures in (record.test.classes if record.test else ())}
    return [
        f"{name} ({wording.count(boxes[name], 'test box', 'test boxes')})" if name in boxes else name
        for name in record.rare_classes
    ]


def recipe_settings(comparison: Comparison) -> list[SettingRow]:
    """The resolved recipes, setting by setting; loss settings that no model has are left out."""
    rows = _settings(comparison, lambda record: _flat(record.recipe))
    return [
        row for row in rows if not row.setting.startswith(LOSS_PREFIX) or set(row.values) != {wording.NOTHING}
    ]


def _flat(recipe: dict[str, Any]) -> dict[str, Any]:
    """With the settings of `loss` beside the others, as `loss.NAME`."""
    loss = recipe.get("loss") or {}
    return {setting: value for setting, value in recipe.items() if setting != "loss"} | {
        f"{LOSS_PREFIX}{setting}": value for setting, value in loss.items()
    }


def own_options(comparison: Comparison) -> list[tuple[Contestant, list[tuple[str, str]]]]:
    """Each family's own options: they mean something in that family alone."""
    return [
        (contestant, [(setting, plain(value)) for setting, value in record.options.items()])
        for contestant in comparison.finished
        if (record := contestant.shown) and record.options
    ]


def ledger(comparison: Comparison) -> list[LedgerRow]:
    """Every entry once a model, however many seeds repeat it."""
    return [
        LedgerRow(contestant, entry)
        for contestant in comparison.contestants
        for entry in dict.fromkeys(e for record in contestant.done for e in _entries(record))
    ]


def _entries(record: CellRecord) -> tuple[LedgerEntry, ...]:
    """Entries known when the run was planned, and those that the training images added."""
    return record.ledger + (record.training.notes if record.training else ())


def native_metrics(comparison: Comparison) -> list[NativeMetrics]:
    """The frameworks' own figures on val, of the shown cell, beside bench's."""
    return [
        NativeMetrics(
            contestant,
            tuple(_native_row(record, name, value) for name, value in record.native_metrics.items()),
            record.training.native_notes if record.training else (),
        )
        for contestant in comparison.finished
        if (record := contestant.shown) and record.native_metrics
    ]


def _native_row(record: CellRecord, name: str, value: float) -> NativeRow:
    title, figure = COUNTERPARTS.get(name, (wording.NOTHING, lambda figures: None))
    ours = figure(record.val) if record.val else None
    difference = wording.NOTHING if ours is None else wording.signed(value - ours)
    return NativeRow(name, wording.share(value), title, wording.share(ours), difference)


def plain(value: Any) -> str:
    """A config value as one would write it."""
    if value is None:
        return wording.NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items()) or "none"
    return str(value)


def _settings(comparison: Comparison, settings: Callable[[CellRecord], dict[str, Any]]) -> list[SettingRow]:
    names = list(dict.fromkeys(name for record in comparison.records for name in settings(record)))
    return [
        _row(name, lambda record, name=name: plain(settings(record).get(name)), comparison)  # type: ignore[misc]
        for name in names
    ]


def _row(setting: str, get: Getter, comparison: Comparison) -> SettingRow:
    return SettingRow(setting, tuple(_joined([get(r) for r in c.done]) for c in comparison.finished))


def _joined(values: Sequence[str]) -> str:
    return " / ".join(dict.fromkeys(values))
