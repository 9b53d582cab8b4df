"""A cell that runs out of memory says so in its record, in a way that others can tell from a fault."""

from pathlib import Path

import pytest

from bench import registry
from bench.adapters.fake import FakeDetector
from bench.cell import batch
from bench.cell.batch import Measurement
from bench.cell.spec import CellSpec
from bench.cell.work import work
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.layout import Layout
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.store import CellFolder


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    data = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=40, size=64))
    return prepare(data, tmp_path_factory.mktemp("cache"))


def cell(root: Path, layout: Layout, *, gates: bool = False, **settings: object) -> CellFolder:
    folder = CellFolder(root)
    root.mkdir(parents=True)
    recipe = Recipe.model_validate({"epochs": 3, "batch_size": 8, **settings})
    plan = registry.family("fake").plan(variant=None, weights="none", options={}, recipe=recipe)
    CellSpec(
        model="it", seed=0, device="cpu", layout=layout.root, dataset="d", plan=plan, gates=gates,
        provenance=provenance("it"),
    ).write(folder)  # fmt: skip
    return folder


def breaking(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fit(*settings: object) -> None:
        raise error

    monkeypatch.setattr(FakeDetector, "fit", fit)


@pytest.mark.parametrize(("gates", "stage"), [(False, "fit"), (True, "gate: overfit")])
def test_the_record_tells_a_lack_of_memory_and_what_to_change(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gates: bool, stage: str
) -> None:
    breaking(monkeypatch, RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"))
    record = work(cell(tmp_path / "it", layout, gates=gates))
    assert record.status == "failed" and record.failure
    assert (record.failure.kind, record.failure.stage) == ("out_of_memory", stage)
    assert "out of memory on cpu with batch_size 8" in record.failure.reason
    assert "train.batch_size: 4 with train.accumulate: 2" in record.failure.reason


def test_another_fault_is_no_lack_of_memory(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaking(monkeypatch, RuntimeError("shapes"))
    record = work(cell(tmp_path / "it", layout))
    assert record.failure and record.failure.kind == "error"
    assert record.failure.reason == "RuntimeError: shapes"


def test_auto_trains_by_what_was_measured_and_asks_once(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def probe(*settings: object) -> list[Measurement]:
        asked.append(settings)
        return [
            Measurement(batch=1, peak_mib=1),
            Measurement(batch=2, peak_mib=2),
            Measurement(batch=4, peak_mib=1e9),
        ]

    monkeypatch.setattr(batch, "run_probe", probe)
    folder = cell(tmp_path / "it", layout, batch_size="auto")
    with monkeypatch.context() as broken:
        breaking(broken, RuntimeError("shapes"))
        first = work(folder)
    assert first.status == "failed" and first.recipe["batch_size"] == 2
    record = work(folder)
    assert record.status == "done" and record.training and len(asked) == 1
    assert record.recipe["batch_size"] == 2
    assert record.training.optimizer_steps == 3 * 28 // 2
    assert [entry.used for entry in record.ledger if entry.setting == "batch_size"] == ["2"]


def test_no_batch_that_fits_is_a_lack_of_memory(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        batch, "run_probe", lambda *settings: [Measurement(batch=1, peak_mib=0, outcome="out_of_memory")]
    )
    record = work(cell(tmp_path / "it", layout, batch_size="auto"))
    assert record.failure and (record.failure.kind, record.failure.stage) == ("out_of_memory", "batch size")
    assert "not even a batch of one image fits" in record.failure.reason
