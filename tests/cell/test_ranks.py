"""Two real processes that train one model on the CPU, against one that does so alone."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from bench import memory, registry
from bench.cell import ranks as cell_ranks
from bench.cell.ranks import OtherRanks, RankTask, failure_report, other_ranks
from bench.cell.spec import CellSpec
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.detector import FitContext, Plan
from bench.errors import RunError
from bench.layout import Layout
from bench.process import Exit
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.records import EpochRecord, TrainingRecord

IMAGES = 17
"""In train: in batches of 4, the last has a single one, and so nothing for the second rank."""

WORDS: dict[str, Any] = {"epochs": 2, "batch_size": 4, "image_size": 64, "lr": 1e-3, "warmup_epochs": 0.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    config = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=25, size=64, seed=1))
    layout = prepare(config, tmp_path_factory.mktemp("data"))
    assert len(layout.examples("train")) == IMAGES
    return layout


def spec_of(plan: Plan, layout: Layout, ranks: int) -> CellSpec:
    return CellSpec(
        model="m",
        seed=3,
        device=f"cpu:{ranks}",
        layout=layout.root,
        dataset="x",
        plan=plan,
        provenance=provenance("a test"),
    )


class Trained:
    """A training of a tiny model in so many processes; the judge likes each epoch better than the last."""

    def __init__(
        self,
        layout: Layout,
        workdir: Path,
        ranks: int,
        family: str = "detr",
        options: dict[str, Any] | None = None,
        hear: Callable[[EpochRecord], bool] = lambda record: False,
        step: Callable[[int, int], None] = lambda done, total: None,
        **words: Any,
    ) -> None:
        import torch

        workdir.mkdir(exist_ok=True)
        self.records: list[EpochRecord] = []
        self.given_up: list[Exception] = []
        self.hear = hear
        recipe = Recipe.model_validate(
            {word: value for word, value in {**WORDS, **words}.items() if value is not None}
        )
        found = registry.family(family)
        plan = found.plan(variant="tiny", weights="none", options=options or {}, recipe=recipe)
        spec = spec_of(plan, layout, ranks)
        self.judged = 0
        context = FitContext(workdir, 3, "cpu", score_val=self.score, on_epoch=self.told, on_step=step)
        self.detector: Any = found.build(plan, classes=layout.classes, seed=3, device="cpu")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            with other_ranks(spec, layout.root, context, ("cpu",) * ranks, self.given_up.append) as world:
                self.training: TrainingRecord = self.detector.fit(
                    layout, plan.recipe, replace(context, world=world)
                )
        finally:
            torch.set_num_threads(threads)

    def score(self, found: Any) -> dict[str, float]:
        self.judged += 1
        return {"AP": float(sum(one.scores.sum() for one in found)), "AP50": 0.0}

    def told(self, record: EpochRecord) -> bool:
        self.records.append(record)
        return self.hear(record)

    def history(self) -> list[dict[str, Any]]:
        return [record.model_dump(exclude={"duration_s", "images_per_s"}) for record in self.records]

    def weights(self) -> dict[str, Any]:
        module = self.detector.model if hasattr(self.detector, "model") else self.detector.trainable
        found: dict[str, Any] = module.state_dict()
        return found


@pytest.fixture
def train(data: Layout, tmp_path: Path) -> Callable[..., Trained]:
    return lambda name, ranks, **words: Trained(data, tmp_path / name, ranks, **words)


def rank_processes() -> list[psutil.Process]:
    """The ranks that this process has started; frameworks may have started others."""
    return [child for child in psutil.Process().children() if "bench.cell.rank" in child.cmdline()]


@pytest.mark.slow
def test_two_processes_train_as_one_does(train: Any) -> None:
    """Accumulated batches, a last one without a share for rank 1, a frozen stage, averaged weights."""
    words = {
        "options": {"dropout": 0.0},
        "epochs": None,
        "backbone_lr": 0.0,  # its batch norm rests, too, which is of a rank's own share
        "stages": [{"epochs": 1, "freeze": ["encoder"]}, {"epochs": 2}],
        "accumulate": 2,
        "ema": 0.9,
    }
    one, two = train("one", 1, **words), train("two", 2, **words)
    assert two.judged == one.judged == 3
    for alone, shared in zip(one.history(), two.history(), strict=True):
        assert shared["optimizer_steps"] == alone["optimizer_steps"]
        assert shared["images_seen"] == alone["images_seen"]
        for kind in ("train_losses", "val_losses", "val_metrics"):
            assert shared[kind] == pytest.approx(alone[kind], rel=2e-3), kind
    first = (one.records[0].train_losses, two.records[0].train_losses)
    assert first[1] == pytest.approx(first[0], rel=1e-5)


@pytest.mark.slow
def test_faster_rcnn_begins_with_the_same_losses(train: Any) -> None:
    """Nearly: with all anchors sampled nothing is drawn, but pictures differ in how many they have."""
    words = {
        "family": "frcnn",
        "options": {"rpn_samples": 100_000, "box_samples": 100_000},
        "backbone_lr": 0.0,
        "epochs": None,
        "budget": {"steps": 1},
    }
    one, two = (train(f"{ranks}", ranks, **words).records[0].train_losses for ranks in (1, 2))
    assert two["loss_objectness"] == pytest.approx(one["loss_objectness"], rel=1e-5)
    assert two == pytest.approx(one, rel=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["detr", "frcnn", "yolo"])
def test_a_killed_training_goes_on_to_the_same_bits(train: Any, family: str) -> None:
    """With what is random in all ranks: dropout, samples, mosaics."""
    import torch

    def kill(record: EpochRecord) -> bool:
        if record.epoch == 2:
            raise KeyboardInterrupt
        return False

    words = {"family": family, "epochs": 3}
    whole = train("whole", 2, **words)
    assert [record.images_seen for record in whole.records] == [17, 34, 51]
    with pytest.raises(KeyboardInterrupt):
        train("killed", 2, hear=kill, **words)
    resumed = train("killed", 2, **words)
    assert [record.epoch for record in resumed.records] == [2, 3]
    assert resumed.history() == whole.history()[1:]
    assert all(torch.equal(resumed.weights()[name], found) for name, found in whole.weights().items())


@pytest.mark.slow
@pytest.mark.parametrize("family", ["detr", "yolo"])
def test_all_stop_when_one_is_told(train: Any, family: str) -> None:
    two = train("two", 2, family=family, epochs=9, hear=lambda record: record.epoch == 2)
    assert (two.training.epochs, two.training.stopped_early) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["frcnn", "yolo"])
def test_a_dead_rank_ends_the_training_with_a_word(train: Any, family: str) -> None:
    def kill(done: int, total: int) -> None:
        for child in rank_processes():
            child.kill()

    with pytest.raises(RunError, match="lost one of its devices: rank 1 on cpu was ended by SIGKILL"):
        train("two", 2, family=family, step=kill)


def test_a_training_that_hangs_is_given_up(
    data: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU rank 0 waits for ever in a call that nothing interrupts: a thread then ends the process."""
    ended = threading.Event()
    told: list[Exception] = []
    monkeypatch.setattr(cell_ranks, "GRACE_S", 0.1)
    monkeypatch.setattr(cell_ranks.os, "_exit", lambda code: ended.set())
    family = registry.family("fake")
    plan = family.plan(variant=None, weights=None, options={}, recipe=Recipe(epochs=1))
    context = FitContext(tmp_path, 3, "cpu", score_val=None, on_epoch=lambda record: False)
    with other_ranks(spec_of(plan, data, 2), data.root, context, ("cpu", "cpu"), told.append):
        (child,) = rank_processes()
        child.kill()
        assert ended.wait(20)
    assert str(told[0]).startswith("the training lost one of its devices: rank 1 on cpu was ended by SIGKILL")


@pytest.mark.slow
def test_a_fault_of_the_first_rank_is_told_as_its_own(train: Any) -> None:
    """The others then miss it: that is no news."""

    def lack(done: int, total: int) -> None:
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        train("two", 2, family="frcnn", step=lack)


def failed_ranks(
    errors: list[Exception | None], folder: Path, data: Layout, monkeypatch: pytest.MonkeyPatch, code: int = 1
) -> OtherRanks:
    """Ranks that ended with `code`, each with a report of its error."""
    monkeypatch.setattr(cell_ranks.memory, "free_mib", lambda device: 7.0)
    family = registry.family("fake")
    plan = family.plan(variant=None, weights=None, options={}, recipe=Recipe(epochs=1, batch_size=6))
    size = len(errors) + 1
    tasks = [
        RankTask(
            spec=spec_of(plan, data, size), layout=data.root, workdir=folder, device=f"cuda:{rank}",
            rank=rank, size=size, validates=True, rendezvous=folder / "rendezvous",
        )
        for rank in range(1, size)
    ]  # fmt: skip

    def ended(module: str, rank: str, **named: object) -> object:
        error = errors[int(rank) - 1]
        reports = [] if error is None else [failure_report(tasks[int(rank) - 1], error).model_dump()]
        return SimpleNamespace(poll=lambda: Exit(code), arrived=lambda: reports)

    monkeypatch.setattr(cell_ranks, "Child", ended)
    return OtherRanks(tasks)


def test_the_rank_that_fails_is_named_and_not_one_that_misses_it(
    data: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = RuntimeError("[third_party/gloo/pair.cc:547] Connection closed by peer")
    failure = failed_ranks([missing, ValueError("shapes")], tmp_path, data, monkeypatch).failure()
    assert type(failure) is RunError
    assert str(failure).endswith("rank 2 on cuda:2 failed: ValueError: shapes")


@pytest.mark.parametrize(("error", "code"), [(RuntimeError("CUDA error: out of memory"), 1), (None, -9)])
def test_a_rank_without_memory_says_what_to_change(
    data: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None, code: int
) -> None:
    failure = failed_ranks([error], tmp_path, data, monkeypatch, code).failure()
    assert failure is not None and memory.is_out_of_memory(failure)
    assert "rank 1 on cuda:1" in str(failure) and "batch_size 6" in str(failure)
    assert "train.batch_size: 2 with train.accumulate: 3" in str(failure), "3 pictures do not halve"
