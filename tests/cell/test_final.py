"""`final: train+val`: the joined layout, what is trained on it, and what a resumed cell repeats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import registry
from bench.adapters.fake import FakeDetector
from bench.cell import final
from bench.cell.monitor import OnEvent, ignore
from bench.cell.spec import CellSpec
from bench.cell.work import work
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.detector import FitContext
from bench.layout import Layout
from bench.predicting import work as work_of_predicting
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.records import CellRecord, TrainingRecord
from bench.store import CellFolder


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    data = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=40, size=64))
    return prepare(data, tmp_path_factory.mktemp("cache"))


def cell(root: Path, layout: Layout, *, family: str = "fake", **settings: object) -> CellFolder:
    folder = CellFolder(root)
    root.mkdir(parents=True)
    asked = {"epochs": 3, "batch_size": 8, "image_size": 64, **settings}
    plan = registry.family(family).plan(
        variant=None if family == "fake" else "tiny",
        weights="none",
        options={},
        recipe=Recipe.model_validate(asked),
    )
    CellSpec(
        model="it", seed=0, device="cpu", layout=layout.root, dataset="d", plan=plan, gates=False,
        final="train+val", provenance=provenance("it"),
    ).write(folder)  # fmt: skip
    return folder


def done(folder: CellFolder, on_event: OnEvent = ignore) -> CellRecord:
    record = work(folder, on_event)
    assert record.status == "done", record.failure
    return record


def stages(events: list[Mapping[str, Any]]) -> list[str]:
    return [event["stage"] for event in events if event["event"] == "stage"]


def test_train_and_val_are_one_split_and_test_is_not_there(layout: Layout, tmp_path: Path) -> None:
    joined = final.join_splits(layout, tmp_path / "data")
    parts = layout.examples("train") + layout.examples("val")
    whole = joined.examples("train")
    assert joined.classes == layout.classes
    assert len(whole) == len(parts) == 34
    for ours, theirs in zip(whole, parts, strict=True):
        assert ours.path.resolve() == theirs.path.resolve()
        np.testing.assert_array_equal(ours.boxes_xyxy, theirs.boxes_xyxy)
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        label = Path(str(ours.path).replace("/images/", "/labels/")).with_suffix(".txt")
        assert len(label.read_text().splitlines()) == len(ours.labels)  # where ultralytics' scanner looks
    assert len({example.image_id for example in whole}) == 34
    assert not joined.coco_path("test").exists() and not joined.images_dir("test").exists()


def test_a_joined_layout_is_whole_or_not_there(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(final.yaml, "safe_dump", lambda *settings, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            final.join_splits(layout, tmp_path / "data")
    assert not (tmp_path / "data").exists()
    first = final.join_splits(layout, tmp_path / "data")
    stamp = first.manifest_path.stat().st_mtime_ns
    assert final.join_splits(layout, tmp_path / "data").manifest_path.stat().st_mtime_ns == stamp
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_both_trainings_stand_in_the_record_and_the_final_one_is_ranked(
    layout: Layout, tmp_path: Path
) -> None:
    folder = cell(tmp_path / "it", layout)
    record = done(folder)
    assert record.final and record.test and record.val and record.training
    assert record.final.images == 34
    assert record.final.training.images_seen == 3 * 34
    assert record.training.images_seen == 3 * 28
    assert record.final.training.best_epoch == 3
    assert "none was validated" in record.final.training.chosen_by
    assert record.ranked == record.final.test != record.test
    threshold = record.val.operating_point.score_threshold
    assert record.final.test.operating_point.score_threshold == threshold
    assert [row["epoch"] for row in folder.final.history()] == [1, 2, 3]
    assert all("metrics/AP" in row for row in folder.history())
    assert not any("metrics/AP" in row for row in folder.final.history())


def test_what_was_learnt_is_what_train_and_val_show(layout: Layout, tmp_path: Path) -> None:
    """The fake's last priors are those of its training pictures; `bench predict` takes them."""
    folder = cell(tmp_path / "it", layout)
    done(folder)
    learnt = work_of_predicting._detector(folder, folder.record())
    counted = np.concatenate(
        [example.labels for split in ("train", "val") for example in layout.examples(split)]
    )
    shares = np.bincount(counted, minlength=len(layout.classes)) / len(counted)
    assert isinstance(learnt, FakeDetector)
    np.testing.assert_allclose(learnt.priors[:, 4], shares)


def test_where_patience_ended_the_first_its_best_epoch_ends_the_final(layout: Layout, tmp_path: Path) -> None:
    record = done(cell(tmp_path / "it", layout, epochs=40, patience=1))
    assert record.training and record.training.stopped_early and record.final
    assert record.final.training.epochs == record.training.best_epoch < record.training.epochs


def test_a_training_that_was_not_stopped_is_repeated_in_full() -> None:
    whole = TrainingRecord(
        epochs=9, best_epoch=4, optimizer_steps=9, images_seen=9, duration_s=1, stopped_early=False,
        chosen_by="AP",
    )  # fmt: skip
    assert final.last_epoch(whole) is None
    assert final.last_epoch(whole.model_copy(update={"stopped_early": True})) == 4


def test_a_cell_killed_in_its_final_training_repeats_nothing_before(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = done(cell(tmp_path / "whole", layout))
    folder = cell(tmp_path / "it", layout)
    real = FakeDetector.fit

    def killed(self: FakeDetector, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        if context.score_val is None:
            heard = context.on_epoch

            def hear(record: object) -> bool:
                heard(record)  # type: ignore[arg-type]
                raise KeyboardInterrupt

            object.__setattr__(context, "on_epoch", hear)
        return real(self, layout, recipe, context)

    with monkeypatch.context() as mortal:
        mortal.setattr(FakeDetector, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            work(folder)
    assert [row["epoch"] for row in folder.final.history()] == [1]
    events: list[Mapping[str, Any]] = []
    again = done(folder, events.append)
    assert [stage for stage in stages(events) if "fit" in stage or "predict" in stage] == [
        "final fit",
        "predict test",
    ]
    assert again.final and whole.final
    assert again.final.test == whole.final.test
    assert again.training == CellRecord.model_validate_json(folder.record_path.read_bytes()).training


@pytest.mark.slow
@pytest.mark.parametrize("family", ["detr", "yolo", "frcnn"])
def test_every_family_trains_once_more_without_a_choice(layout: Layout, tmp_path: Path, family: str) -> None:
    folder = cell(tmp_path / "it", layout, family=family, epochs=2, patience=1, val_every=1)
    record = done(folder)
    assert record.final and record.training
    expected = record.training.best_epoch if record.training.stopped_early else 2
    assert record.final.training.epochs == record.final.training.best_epoch == expected
    assert record.final.training.images_seen == expected * 34
    assert "none was validated" in record.final.training.chosen_by
    assert not any(key.startswith(("metrics/", "val/")) for row in folder.final.history() for key in row)
