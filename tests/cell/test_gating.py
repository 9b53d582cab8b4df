"""Gates in a cell: invalid records, what a resumed cell repeats, and a training that does not notice them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.adapters.fake import FakeDetector
from bench.cell.spec import CellSpec
from bench.cell.work import work
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.layout import Layout
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.store import CellFolder

BEFORE = ["boxes", "colours", "classes", "overfit"]
AFTER = ["losses", "outputs", "learning"]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    data = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=40, size=64))
    return prepare(data, tmp_path_factory.mktemp("cache"))


def cell(
    root: Path, layout: Layout, *, family: str = "fake", gates: bool = True, **options: object
) -> CellFolder:
    folder = CellFolder(root)
    root.mkdir(parents=True)
    recipe = Recipe(epochs=3 if family == "fake" else 2, batch_size=8, image_size=64)
    variant = None if family == "fake" else "tiny"
    plan = registry.family(family).plan(variant=variant, weights="none", options=options, recipe=recipe)
    CellSpec(
        model="it", seed=0, device="cpu", layout=layout.root, dataset="d", plan=plan, gates=gates,
        provenance=provenance("it"),
    ).write(folder)  # fmt: skip
    return folder


def stages(events: list[Mapping[str, Any]]) -> list[str]:
    return [event["stage"] for event in events if event["event"] == "stage"]


def test_a_sound_model_is_done_with_every_gate_in_its_record(layout: Layout, tmp_path: Path) -> None:
    folder = cell(tmp_path / "it", layout)
    events: list[Mapping[str, Any]] = []
    record = work(folder, events.append)
    assert record.status == "done", record.failure
    assert [gate.name for gate in record.gates] == BEFORE + AFTER
    assert all(gate.passed for gate in record.gates)
    assert stages(events)[:4] == [f"gate: {name}" for name in BEFORE]
    assert sorted(path.name for path in folder.root.iterdir() if path.name.startswith("gates")) == [
        "gates.json"
    ]


@pytest.mark.slow
def test_a_broken_adapter_is_invalid_untrained_and_tried_again(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cell(tmp_path / "it", layout)
    with monkeypatch.context() as patch:
        swapped = lambda self, paths: (one[..., ::-1] for one in sound(self, paths))  # noqa: E731
        sound = FakeDetector.inference_inputs
        patch.setattr(FakeDetector, "inference_inputs", swapped)
        record = work(folder)
    assert record.status == "invalid"
    assert record.failure and record.failure.stage == "gates"
    assert "colours: in prediction red and blue are swapped" in record.failure.reason
    assert record.test is None and record.training is None
    assert not (folder.root / "fitted.json").exists()
    mended = work(folder)
    assert mended.status == "done"
    boxes, colours = record.gates[0], mended.gates[1]
    assert mended.gates[0] == boxes  # had passed: not asked again, to the millisecond
    assert colours.passed


def test_what_has_passed_is_not_asked_again(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = cell(tmp_path / "it", layout, fail_at_epoch=2)
    failed = work(folder)
    assert failed.status == "failed" and failed.failure and failed.failure.stage == "fit"
    assert [gate.name for gate in failed.gates] == BEFORE
    kept = folder.gates_path.read_bytes()
    folder.spec_path.write_text(
        folder.spec_path.read_text().replace('"fail_at_epoch": 2', '"fail_at_epoch": 0')
    )
    monkeypatch.setattr(FakeDetector, "round_trip", lambda self, examples: 1 / 0)
    events: list[Mapping[str, Any]] = []
    assert work(folder, events.append).status == "done"
    assert folder.gates_path.read_bytes() == kept
    assert not any(stage.startswith("gate") for stage in stages(events))


def test_a_collapsed_model_is_invalid_with_its_figures_in_the_record(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.detector import Detections

    folder = cell(tmp_path / "it", layout)
    monkeypatch.setattr(
        FakeDetector, "predict", lambda self, images, batch_size=1: (Detections.none() for _ in images)
    )
    record = work(folder)
    assert record.status == "invalid"
    assert record.failure and "outputs: no detection in" in record.failure.reason
    assert record.test is not None and record.test.coco.AP == 0
    assert record.training is not None


def test_gates_can_be_off(layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDetector, "round_trip", lambda self, examples: 1 / 0)
    folder = cell(tmp_path / "it", layout, gates=False)
    record = work(folder)
    assert record.status == "done" and record.gates == ()
    assert not folder.gates_path.exists()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["detr", "frcnn", "yolo"])
def test_a_training_after_the_gates_is_the_same_to_the_last_bit(
    layout: Layout, tmp_path: Path, family: str
) -> None:
    with_gates, without = (
        cell(tmp_path / str(gates), layout, family=family, gates=gates) for gates in (True, False)
    )
    assert len(work(with_gates).gates) == len(BEFORE + AFTER)
    assert work(without).gates == ()
    rows = [
        [
            {k: v for k, v in row.items() if k.startswith(("train/", "val/", "metrics/", "lr/"))}
            for row in f.history()
        ]
        for f in (with_gates, without)
    ]
    assert len(rows[0]) == 2 and rows[0] == rows[1]
    for split in ("val", "test"):
        assert with_gates.predictions_path(split).read_bytes() == without.predictions_path(split).read_bytes()
