"""`batch_size: auto`, with memory that the tests make up, and once with real trainings."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import memory, registry
from bench.cell import batch
from bench.cell.batch import Measurement, largest_fitting, resolve_batch_size
from bench.cell.spec import CellSpec
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.errors import RecipeError
from bench.layout import Layout
from bench.provenance import provenance
from bench.recipe import Recipe
from bench.store import CellFolder

SIZES = [1, 2, 4, 8, 16, 32, 64]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    data = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=40, size=64))
    return prepare(data, tmp_path_factory.mktemp("cache"))


def cell(
    root: Path, layout: Layout, *, family: str = "fake", seed: int = 0, model: str = "it", **settings: object
) -> tuple[CellFolder, CellSpec]:
    folder = CellFolder(root / f"{model}-seed{seed}")
    folder.root.mkdir(parents=True)
    asked = {"epochs": 3, "batch_size": "auto", "image_size": 64, **settings}
    plan = registry.family(family).plan(
        variant=None if family == "fake" else "tiny",
        weights="none",
        options={},
        recipe=Recipe.model_validate(asked),
    )
    spec = CellSpec(
        model=model, seed=seed, device="cpu", layout=layout.root, dataset="d", plan=plan,
        provenance=provenance("it"),
    )  # fmt: skip
    spec.write(folder)
    return folder, spec


class Machine:
    """Memory of `free` MiB on which a model takes `base` and each picture `each`; counts what is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, free: float, base: float, each: float) -> None:
        monkeypatch.setattr(memory, "free_mib", lambda device: free)
        self.free, self.base, self.each = free, base, each
        self.asked: list[list[int]] = []

    def __call__(self, spec: CellSpec, device: str, sizes: Sequence[int]) -> list[Measurement]:
        self.asked.append(list(sizes))
        measured: list[Measurement] = []
        for size in sizes:
            peak = self.base + size * self.each
            measured.append(
                Measurement(
                    batch=size, peak_mib=peak, outcome="fits" if peak <= self.free else "out_of_memory"
                )
            )
            if peak > self.free:
                break
        return measured


@pytest.mark.parametrize(("each", "found"), [(100, 4), (45, 8), (40, 16), (1, 64), (0, 64)])
def test_beyond_what_was_tried_the_steepest_rise_tells(each: float, found: int) -> None:
    measured = [Measurement(batch=size, peak_mib=300 + size * each) for size in (1, 2, 4)]
    assert largest_fitting(measured, SIZES, limit_mib=300 + 16 * 40) == found


def test_one_that_did_not_fit_bounds_what_is_largest_fitting() -> None:
    measured = [
        Measurement(batch=1, peak_mib=10),
        Measurement(batch=2, peak_mib=11),
        Measurement(batch=4, peak_mib=0, outcome="out_of_memory"),
    ]
    assert largest_fitting(measured, SIZES, limit_mib=1000) == 2


def test_nothing_that_fits_is_a_lack_of_memory() -> None:
    with pytest.raises(memory.OutOfMemoryError, match="one takes 500 MiB, 400 MiB may be used") as caught:
        largest_fitting([Measurement(batch=1, peak_mib=500)], SIZES, limit_mib=400)
    assert memory.is_out_of_memory(caught.value)
    with pytest.raises(memory.OutOfMemoryError, match="one is too much"):
        largest_fitting([Measurement(batch=1, peak_mib=0, outcome="out_of_memory")], SIZES, limit_mib=400)


def test_what_breaks_otherwise_is_told_as_it_is() -> None:
    broken = Measurement(batch=2, peak_mib=0, outcome="error", reason="ValueError: odd")
    with pytest.raises(RecipeError, match="training with 2 images fails: ValueError: odd"):
        largest_fitting([Measurement(batch=1, peak_mib=1), broken], SIZES, limit_mib=400)


def test_the_number_and_how_it_was_found_stand_in_the_cell(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch, free=1000, base=200, each=50)
    folder, spec = cell(tmp_path, layout, lr=0.03)
    now = resolve_batch_size(folder, spec, images=28, device="cpu", probe=machine)
    assert now.plan.recipe.batch_size == 8  # 200 + 8 * 50 is under 0.8 * 1000, 200 + 16 * 50 is not
    assert now.plan.recipe.lr == 0.03
    assert machine.asked == [[1, 2, 4]]
    assert CellSpec.read(folder) == now
    (entry,) = [entry for entry in now.plan.ledger if entry.setting == "batch_size"]
    assert (entry.asked, entry.used) == ("auto", "8")
    assert "80% of the 1,000 MiB" in entry.why and "4: 400 MiB" in entry.why
    assert resolve_batch_size(folder, now, images=28, device="cpu", probe=machine) == now
    assert len(machine.asked) == 1


def test_a_gpu_is_tried_up_to_what_does_not_fit(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch, free=1000, base=200, each=45)
    folder, spec = cell(tmp_path, layout)
    now = resolve_batch_size(folder, spec, images=1000, device="cuda:0", probe=machine)
    assert machine.asked == [SIZES]
    assert now.plan.recipe.batch_size == 8
    assert "32: too much" in next(e.why for e in now.plan.ledger if e.setting == "batch_size")


def test_it_is_no_more_than_the_split_can_fill(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch, free=1e6, base=1, each=1)
    folder, spec = cell(tmp_path, layout, accumulate=2)
    assert (
        resolve_batch_size(folder, spec, images=28, device="cpu", probe=machine).plan.recipe.batch_size == 8
    )


def test_seeds_of_a_model_train_by_the_same_number(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, other = (
        cell(tmp_path, layout),
        cell(tmp_path, layout, seed=1),
        cell(tmp_path, layout, seed=1, model="other"),
    )
    resolve_batch_size(
        *first, images=28, device="cpu", probe=Machine(monkeypatch, free=1000, base=200, each=50)
    )
    less = Machine(monkeypatch, free=500, base=200, each=50)
    assert resolve_batch_size(*second, images=28, device="cpu", probe=less).plan.recipe.batch_size == 8
    assert less.asked == []
    assert resolve_batch_size(*other, images=28, device="cpu", probe=less).plan.recipe.batch_size == 4


def test_the_trial_runs_the_model_in_a_process_of_its_own(layout: Layout, tmp_path: Path) -> None:
    _, spec = cell(tmp_path, layout)
    measured = batch.run_probe(spec, "cpu", [1, 2])
    assert [(one.batch, one.outcome) for one in measured] == [(1, "fits"), (2, "fits")]
    assert 10 < measured[0].peak_mib <= measured[1].peak_mib


@pytest.mark.slow
@pytest.mark.parametrize("family", ["detr", "yolo", "frcnn"])
def test_every_family_can_be_tried(layout: Layout, tmp_path: Path, family: str) -> None:
    _, spec = cell(tmp_path, layout, family=family, multi_scale=0.25)
    measured = batch.run_probe(spec, "cpu", [1, 2, 4])
    assert [(one.batch, one.outcome) for one in measured] == [(1, "fits"), (2, "fits"), (4, "fits")]


def test_a_size_at_which_the_process_is_killed_did_not_fit(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system's killer does it: no message, and a signal's exit code."""
    (tmp_path / "doomed.py").write_text(
        "import os\nfrom bench import process\nprocess.connect()\n"
        "process.send({'batch': 1, 'peak_mib': 5.0})\nos.kill(os.getpid(), 9)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    _, spec = cell(tmp_path, layout)
    real = batch.Child
    monkeypatch.setattr(batch, "Child", lambda module, **named: real("doomed", **named))
    measured = batch.run_probe(spec, "cpu", [1, 2, 4])
    assert [(one.batch, one.outcome) for one in measured] == [(1, "fits"), (2, "out_of_memory")]


def test_the_published_rate_of_sgd_needs_a_number() -> None:
    family = registry.family("frcnn")
    with pytest.raises(RecipeError, match=r"train\.lr: the published rate of SGD goes with the batch"):
        family.plan(variant="resnet50_fpn", weights="none", options={}, recipe=Recipe(batch_size="auto"))
    recipe = Recipe(batch_size="auto", lr=0.01)
    assert family.plan(variant="resnet50_fpn", weights="none", options={}, recipe=recipe).recipe.lr == 0.01
