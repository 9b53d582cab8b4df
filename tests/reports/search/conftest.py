"""A search folder made from made records: three models, forty trials each, final trainings, three seeds."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import files
from bench.records import CellRecord, Provenance, SplitFigures
from bench.search_records import SearchRecord, StudyRecord, TrialRecord

CLASSES = ("bottle", "can", "paper", "<b>lid</b>", "straw", "foam")
RARE = ("<b>lid</b>", "straw")
SPACE = {
    "loss.classification": ["standard", "weighted", "focal", "weighted_focal"],
    "loss.focal_gamma": {"low": 0.5, "high": 4.0},
    "loss.focal_alpha": {"low": 0.1, "high": 0.9},
    "loss.class_weights": ["inverse_frequency", "inverse_sqrt", "effective_number", "hard"],
    "loss.class_coefficient": {"low": 0.25, "high": 4.0, "log": True},
    "train.lr": {"low": 1e-5, "high": 1e-3, "log": True},
}
DIFFERENCES = {
    "detr": (0.046, 0.041, 0.044),  # beyond chance
    "yolo": (0.010, -0.012, 0.004),  # not
    "frcnn": (-0.040, -0.038, -0.044),
}
"""Test AP of best minus standard, by seed."""

Change = Callable[[SearchRecord], SearchRecord]


def trial(number: int, chance: random.Random, objectives: tuple[str, ...]) -> TrialRecord:
    setting: dict[str, Any] = {"loss.classification": chance.choice(SPACE["loss.classification"])}
    kind = setting["loss.classification"]
    if "focal" in kind:
        setting["loss.focal_gamma"] = chance.uniform(0.5, 4)
        setting["loss.focal_alpha"] = chance.uniform(0.1, 0.9)
    if "weighted" in kind:
        setting["loss.class_weights"] = chance.choice(SPACE["loss.class_weights"])
    setting["loss.class_coefficient"] = 0.25 * 16 ** chance.random()
    setting["train.lr"] = 1e-5 * 100 ** chance.random()
    ap = 0.3 + 0.03 * ("focal" in kind) - 0.01 * abs(setting.get("loss.focal_gamma", 2) - 2)
    ap += chance.gauss(0, 0.008) + 0.0004 * number
    state, reason, epochs = "complete", None, 12
    if number % 9 == 4:
        state, epochs, ap = "pruned", 3, ap / 2
        reason = f"AP {ap:.3f} after epoch 3 is under the median of the trials before it"
    if number in (11, 23):
        return TrialRecord(
            number=number, state="failed", setting=setting, values=None, duration_s=4.2, worker="1",
            reason="RuntimeError: out of memory, also at batch size 1 <script>alert(1)</script>",
            batch_size=1, accumulate=16,
        )  # fmt: skip
    values = {"AP": ap, "AP_rare": ap * 0.6 + chance.gauss(0, 0.03), "latency_ms": 20 - 10 * ap}
    return TrialRecord(
        number=number,
        state=state,
        setting=setting,
        values={name: values[name] for name in objectives} if state == "complete" else None,
        curve=tuple((epoch, ap * epoch / epochs) for epoch in range(1, epochs + 1)),
        reason=reason,
        batch_size=8 if number % 10 else 4,
        accumulate=1 if number % 10 else 2,
        duration_s=30.0 + number,
        worker="1",
    )


def study(model: str, objectives: tuple[str, ...], trials: int) -> StudyRecord:
    chance = random.Random(model)
    made = tuple(trial(number, chance, objectives) for number in range(trials))
    complete = [item for item in made if item.state == "complete" and item.values]
    best = max(complete, key=lambda item: item.values[objectives[0]], default=None)
    front = [
        item.number
        for item in complete
        if not any(
            all(other.values[name] >= item.values[name] for name in objectives) and other is not item
            for other in complete
        )
    ]
    return StudyRecord(
        model=model,
        family=model,
        study=f"scenes-{model}",
        trials=made,
        best=best.number if best else None,
        pareto=tuple(front) if len(objectives) > 1 else (),
        importance={"loss.classification": 0.55, "loss.focal_gamma": 0.25, "train.lr": 0.12,
                    "loss.class_coefficient": 0.05, "loss.class_weights": 0.03}
        if complete
        else {},
    )  # fmt: skip


@pytest.fixture
def search_record() -> Callable[..., SearchRecord]:
    """search_record(models=..., objectives=..., trials=...) -> search.json's content."""

    def make(
        models: tuple[str, ...] = ("detr", "yolo", "frcnn"),
        objectives: tuple[str, ...] = ("AP",),
        trials: int = 40,
        **changes: Any,
    ) -> SearchRecord:
        values: dict[str, Any] = {
            "name": "litter",
            "dataset": "scenes-1a2b",
            "classes": CLASSES,
            "train_counts": dict(zip(CLASSES, (900, 410, 200, 90, 21, 300), strict=True)),
            "rare_classes": RARE,
            "objectives": objectives,
            "sampler": "TPE",
            "pruner": "median" if len(objectives) == 1 else "none",
            "seed": 0,
            "wanted_trials": 40,
            "seeds": (0, 1, 2),
            "space": SPACE,
            "storage": "sqlite:///study.db",
            "studies": tuple(study(model, objectives, trials) for model in models),
            "final": "final",
            "provenance": Provenance(
                bench="0.1.0", python="3.11.9", platform="Linux", versions={"optuna": "5.0.0"},
                cpu="Some CPU", cpu_count=2, memory_gib=7.6, gpu=None, started="2026-01-20T07:00:00Z",
                command="bench search --models detr,yolo,frcnn",
            ),
        }  # fmt: skip
        return SearchRecord(**{**values, **changes})

    return make


@pytest.fixture
def final_records(make_record: Callable[..., CellRecord]) -> Callable[..., list[CellRecord]]:
    """final_records(differences) -> cells of best and standard by seed; test AP differs by `differences`."""

    def make(differences: dict[str, tuple[float, ...]] = DIFFERENCES) -> list[CellRecord]:
        return [
            rare(
                make_record(
                    f"{model}-{which}",
                    seed,
                    0.40 + 0.01 * seed + (apart[seed] if which == "best" else 0.0),
                    cell=f"{model}-{which}-seed{seed}",
                    rare_classes=RARE,
                )
            )
            for seed in range(3)
            for model, apart in differences.items()
            if seed < len(apart)
            for which in ("standard", "best")
        ]

    return make


def rare(record: CellRecord) -> CellRecord:
    """With classes of this search, which stand wide apart, and the mean AP of the rare ones."""
    chance = random.Random(record.cell)

    def of(figures: SplitFigures) -> SplitFigures:
        classes = tuple(
            found.model_copy(
                update={
                    "name": name,
                    "AP": None if found.AP is None else max(0.0, found.AP + chance.gauss(0, 0.02)),
                }
            )
            for name, found in zip(CLASSES, figures.classes, strict=True)
        )
        known = [item.AP for item in classes if item.name in RARE and item.AP is not None]
        return figures.model_copy(update={"classes": classes, "AP_rare": sum(known) / len(known)})

    assert record.val and record.test
    return record.model_copy(update={"val": of(record.val), "test": of(record.test)})


@pytest.fixture
def make_search(
    tmp_path: Path,
    search_record: Callable[..., SearchRecord],
    final_records: Callable[..., list[CellRecord]],
    make_run: Callable[..., Any],
) -> Callable[..., Path]:
    """make_search(record, records) -> a search folder; no records: without a final run."""

    def make(record: SearchRecord | None = None, records: list[CellRecord] | None = None) -> Path:
        root = tmp_path / "search"
        files.write_text(root / "search.json", (record or search_record()).model_dump_json())
        files.write_text(root / "best.yaml", "name: litter\n")
        records = final_records() if records is None else records
        if records:
            make_run("final", records=records, classes=CLASSES).root.rename(root / "final")
        return root

    return make
