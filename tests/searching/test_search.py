"""A search in this process: what is drawn, pruned, retried, counted and written."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bench import files
from bench.cell.spec import CellSpec
from bench.errors import BenchError, ConfigError, RunError
from bench.runner.create import resolved_yaml
from bench.runner.launch import launch as real_launch
from bench.search_records import SearchRecord, StudyRecord
from bench.searching import final
from bench.searching import search as searching
from bench.searching.folder import SearchFolder
from bench.searching.search import SearchOptions, SearchResult
from bench.searching.storage import reachable

Search = Callable[..., SearchResult]
ASKED = SearchOptions(command="bench search", final=False)


class Silent:
    """A watcher that does not care."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *words, **named: None


def ears() -> Any:
    return Silent()


def settings(study: StudyRecord) -> list[tuple[Any, ...]]:
    return [(trial.state, trial.setting, trial.values) for trial in study.trials]


@pytest.mark.slow
def test_every_model_has_its_trials_and_the_best_is_the_best(cells: Any, search: Search) -> None:
    outcome = search("search.trials=10", models=("one", "two"))
    for study in outcome.record.studies:
        done = [trial for trial in study.trials if trial.values]
        assert len(study.trials) == 10
        assert study.best == max(done, key=lambda trial: trial.values["AP"]).number
        assert sum(study.importance.values()) == pytest.approx(1)
    models = [spec.model for spec in cells.specs]
    assert models[:6] == ["one", "two"] * 3  # in turn: after every pair, both have had as many
    assert all(spec.splits == ("val",) and not spec.timed for spec in cells.specs)
    assert [spec.gates for spec in cells.specs] == [True, True] + [False] * 18  # once a model
    written = SearchRecord.model_validate_json(outcome.folder.record_path.read_bytes())
    assert written == outcome.record


@pytest.mark.slow
def test_the_first_trial_is_the_config_s_own(cells: Any, search: Search) -> None:
    outcome = search("train.lr=0.02", "search.space.train.lr={low: 0.01, high: 0.1, log: true}")
    assert outcome.record.studies[0].trials[0].setting == {"train.lr": 0.02}
    assert len({spec.plan.recipe.lr for spec in cells.specs}) == 4


@pytest.mark.slow
def test_the_same_seed_draws_the_same_and_another_does_not(cells: Any, search: Search) -> None:
    first, again, other = (
        search("search.trials=6", "search.random_trials=3", f"search.seed={seed}") for seed in (3, 3, 4)
    )
    assert settings(first.record.studies[0]) == settings(again.record.studies[0])
    assert settings(first.record.studies[0]) != settings(other.record.studies[0])


LEFT = ("search.trials=6", "search.random_trials=3")


@pytest.mark.slow
def test_a_search_that_was_left_goes_on_as_if_it_had_not_been(
    cells: Any, search: Search, tmp_path: Path
) -> None:
    whole = search(*LEFT).record.studies[0]
    shutil.rmtree(tmp_path / "runs")
    cells.specs.clear()

    def interrupt(spec: CellSpec) -> None:
        if len(cells.specs) in (2, 6):
            raise KeyboardInterrupt

    cells.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        search(*LEFT)
    (root,) = (tmp_path / "runs").iterdir()
    with pytest.raises(KeyboardInterrupt):
        searching.resume(SearchFolder.open(root), ears(), ASKED)
    resumed = searching.resume(SearchFolder.open(root), ears(), ASKED).record.studies[0]
    lost = [trial for trial in resumed.trials if trial.reason and trial.reason.startswith("lost")]
    assert [trial.number for trial in lost] == [1, 5]
    assert lost[0].reason == "lost with its worker; requeued as 2"
    kept = [trial for trial in resumed.trials if trial not in lost]
    assert [(t.state, t.setting, t.values) for t in kept] == settings(whole)


@pytest.mark.slow
def test_a_lost_storage_repeats_nothing_and_overwrites_nothing(cells: Any, search: Search) -> None:
    outcome = search("search.trials=3")
    (outcome.folder.root / "study.db").unlink()
    before = outcome.folder.record_path.read_bytes()
    run = len(cells.specs)
    with pytest.raises(RunError, match="holds trials that the storage lacks: 3 of one") as caught:
        searching.resume(outcome.folder, ears(), ASKED)
    assert caught.value.file == outcome.folder.record_path and "study.db" in str(caught.value)
    assert outcome.folder.record_path.read_bytes() == before and len(cells.specs) == run


@pytest.mark.slow
def test_more_trials_may_be_asked_for(cells: Any, search: Search) -> None:
    outcome = search("search.trials=2")
    more = searching.resume(outcome.folder, ears(), ASKED, ("search.trials=5",))
    assert len(more.record.studies[0].trials) == 5 and more.record.wanted_trials == 5
    assert settings(more.record.studies[0])[:2] == settings(outcome.record.studies[0])


@pytest.mark.slow
def test_a_poor_trial_ends_in_its_first_epoch(cells: Any, search: Search) -> None:
    words = ("search.space.loss.focal_gamma=[2.0, 2.1, 5.0]", "loss.classification=focal")
    outcome = search("search.trials=9", "search.prune_after_trials=2", *words)
    (study,) = outcome.record.studies
    poor = [trial for trial in study.trials if trial.setting["loss.focal_gamma"] == 5.0]
    late = [trial for trial in poor if trial.state == "pruned"]
    assert late and all(len(trial.curve) == 1 for trial in late)
    assert late[0].reason and late[0].reason.startswith("median: AP ")
    assert late[0].values is None
    unpruned = search("search.trials=9", "search.pruner=none", *words).record.studies[0]
    assert {trial.state for trial in unpruned.trials} == {"complete"}


@pytest.mark.slow
def test_hyperband_prunes_too(cells: Any, search: Search) -> None:
    cells.epochs = 9
    outcome = search("search.trials=12", "search.pruner=hyperband", "train.epochs=9")
    states = {trial.state for trial in outcome.record.studies[0].trials}
    assert states == {"complete", "pruned"}


@pytest.mark.slow
def test_two_objectives_give_a_pareto_set(cells: Any, search: Search) -> None:
    """AP50 is made to be 1 - AP: no trial is beaten in both."""
    outcome = search("search.objectives=[AP, AP50]", "search.trials=8")
    (study,) = outcome.record.studies
    assert {trial.state for trial in study.trials} == {"complete"} and outcome.record.pruner == "none"
    assert study.pareto == tuple(trial.number for trial in study.trials)
    assert study.best == max(study.trials, key=lambda trial: trial.values["AP"]).number


def test_without_memory_the_batch_is_halved_and_the_step_stays(cells: Any, search: Search) -> None:
    cells.fits = 3
    outcome = search("train.batch_size=12", "train.accumulate=2", "search.trials=2")
    tried = [(s.plan.recipe.batch_size, s.plan.recipe.accumulate) for s in cells.specs]
    assert tried == [(12, 2), (6, 4), (3, 8)] * 2
    assert {(t.batch_size, t.accumulate, t.state) for t in outcome.record.studies[0].trials} == {
        (3, 8, "complete")
    }
    best = outcome.folder.best_path.read_text()
    assert best.count("batch_size: 3\n") == best.count("accumulate: 8\n") == 2  # both are trained so


@pytest.mark.slow
def test_where_the_training_had_memory_enough_a_smaller_batch_is_no_help(cells: Any, search: Search) -> None:
    cells.fits, cells.stage = 3, "predict val"
    with pytest.raises(RunError, match="no trial has a value: predict val: no memory is left"):
        search("train.batch_size=12", "search.trials=1")
    assert len(cells.specs) == 1


@pytest.mark.slow
def test_what_gates_refuse_before_training_has_failed_and_after_it_has_its_figures(
    cells: Any, search: Search
) -> None:
    """Else the one trial that is gated would be judged by other rules than the others."""
    for before in (True, False):
        cells.refuses = before
        first, *others = search("search.trials=2").record.studies[0].trials
        assert first.state == ("failed" if before else "complete")
        assert [trial.state for trial in others] == ["complete"]
    cells.refuses = None


def test_a_trial_that_fails_is_told_and_the_search_goes_on(cells: Any, search: Search) -> None:
    cells.fits = 100
    cells.fails = lambda spec: "it broke" if spec.plan.recipe.loss.focal else None
    outcome = search("search.trials=6")
    failed = [trial for trial in outcome.record.studies[0].trials if trial.state == "failed"]
    assert failed and {trial.reason for trial in failed} == {"fit: it broke"}
    assert len(outcome.record.studies[0].trials) == 6


@pytest.mark.slow
def test_no_trial_with_a_value_is_told_and_what_is_stored_stays(cells: Any, search: Search) -> None:
    cells.fails = lambda spec: "it broke"
    with pytest.raises(RunError, match="no trial has a value: fit: it broke") as caught:
        search()
    folder = SearchFolder.open(Path(str(caught.value.file)))
    assert len(SearchRecord.model_validate_json(folder.record_path.read_bytes()).studies[0].trials) == 4
    assert not folder.best_path.exists()
    cells.fails = lambda spec: None
    assert searching.resume(folder, ears(), ASKED, ("search.trials=5",)).record.studies[0].best == 4


def test_what_heavy_cells_leave_is_taken_away(cells: Any, search: Search, tmp_path: Path) -> None:
    def leave(spec: CellSpec) -> None:
        (tmp_path / "seen").touch()
        for folder in (tmp_path / "runs").glob("*/trials/*/*"):
            (folder / "training").mkdir(exist_ok=True)
            (folder / "best").mkdir(exist_ok=True)

    cells.before = leave
    outcome = search()
    assert (tmp_path / "seen").exists()
    trial = outcome.folder.trial("one", 3)
    assert trial.spec_path.exists() and not trial.workdir.exists() and not trial.checkpoint.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("search.space.train.lrr=[1.0]",), "did you mean `lr`"),
        (
            ("search.space.loss.class_weights=[{nut: 1}]", "loss.classification=weighted"),
            "no such class: nut",
        ),
        (("loss={classification: weighted, class_weights: {nut: 1}}",), "no such class: nut"),
        (("search.space.options.depth={low: 1, high: 2}",), "unknown option of the fake"),
        (("name=" + "a" * 60, "models.one.name=" + "b" * 60), "longer than 64 characters"),
        (("search.objectives=[AP_rare]", "rare_classes=[nut]"), "is no class of the dataset"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(
    cells: Any, configure: Any, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    with pytest.raises(BenchError) as caught:
        models = () if "models.one.name" in words[-1] else ("one",)
        searching.start(configure(*words, models=models), ears(), ASKED)
    assert message in str(caught.value)
    assert not (tmp_path / "runs").exists() and cells.specs == []


@pytest.mark.slow
def test_a_study_of_another_search_is_refused_with_the_difference(
    cells: Any, search: Search, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    search(storage=storage)
    runs = sorted((tmp_path / "runs").iterdir())
    with pytest.raises(ConfigError, match=r"train\.epochs: there 3, here 4") as caught:
        search("train.epochs=4", storage=storage)
    assert "dataset" not in str(caught.value)
    with pytest.raises(ConfigError, match="dataset: there"):
        search("data.synthetic.seed=9", storage=storage)
    with pytest.raises(ConfigError, match=r"loss.focal_gamma: there .*low=0\.5.*, here nothing"):
        search("search.space.train.lr=[0.1, 0.2]", storage=storage)
    assert sorted((tmp_path / "runs").iterdir()) == runs
    joined = search("search.trials=6", storage=storage)  # of the same search there are 4
    assert len(joined.record.studies[0].trials) == 6


def test_two_searches_of_one_folder_are_refused(cells: Any, search: Search) -> None:
    outcome = search()
    with (
        files.alone(outcome.folder.root, "search"),
        pytest.raises(RunError, match="another process is working"),
    ):
        searching.resume(outcome.folder, ears(), ASKED)


@pytest.mark.slow
def test_a_storage_that_can_t_be_reached_is_told_in_time(cells: Any, search: Search, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="storage can't be reached") as caught:
        search(storage="postgresql://me:secret@127.0.0.1:9/base")
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="is not the URL"):
        search(storage="nonsense")
    with pytest.raises(ConfigError, match="is not a database"):
        search(storage="redis://localhost/0")
    with pytest.raises(ConfigError, match="driver is not installed"):
        search(storage="oracle://somewhere/base")
    assert not (tmp_path / "runs").exists()


def test_a_final_run_of_what_was_the_best_is_put_aside(
    cells: Any, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def start(config: Any, callbacks: Any, *, command: str, into: Path) -> None:
        into.mkdir()
        (into / "run.json").touch()
        (into / "bench.yaml").write_text(resolved_yaml(config))
        begun.append("start")

    monkeypatch.setattr("bench.searching.final.running.start", start)
    monkeypatch.setattr("bench.searching.final.running.resume", lambda run, callbacks: begun.append("resume"))
    outcome = search("search.space.loss.focal_gamma={low: 0.0, high: 2.0}", "loss.classification=focal")
    best = outcome.folder.best_path
    for _ in range(2):
        final.run_final(outcome.folder, ears(), "bench search")
    best.write_text(best.read_text().replace("- 1\n- 2", "- 1\n- 7"))
    final.run_final(outcome.folder, ears(), "bench search")
    assert begun == ["start", "resume", "start"]
    assert "- 2\n" in (outcome.folder.root / "final-old-1/bench.yaml").read_text()


def test_a_storage_that_goes_away_is_told_however_optuna_stumbles_over_it() -> None:
    lost = OperationalError("select", {}, Exception("the server is gone\nand more"))

    def stumble() -> None:
        try:
            raise lost
        except OperationalError:
            raise UnboundLocalError("updated_state") from None

    told = pytest.raises(RunError, match=r"the server is gone \(found: 'postgresql://me@host/base'\)")
    with told, reachable("postgresql://me:secret@host/base?password=secret"):
        stumble()
    with pytest.raises(ZeroDivisionError), reachable("sqlite://"):
        raise ZeroDivisionError


@pytest.mark.slow
def test_the_test_split_is_not_read(
    cells: Any, configure: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real cells, on a layout whose test split is first whole, then a ruin."""
    monkeypatch.setattr("bench.searching.trial.launch", real_launch)
    found = []
    for name in ("whole", "ruin"):
        config = configure(
            f"cache={tmp_path / name}", "search.trials=3", "search.objectives=[AP, latency_ms]"
        )
        if name == "ruin":
            layout = searching.prepare(config.data, config.cache, progress=lambda *_: None)
            layout.coco_path("test").write_text("no json")
            shutil.rmtree(layout.images_dir("test"))
            shutil.rmtree(layout.labels_dir("test"))
        outcome = searching.start(config, ears(), ASKED)
        study = outcome.record.studies[0]
        assert {trial.state for trial in study.trials} == {"complete"}
        found.append([(trial.setting, trial.values["AP"]) for trial in study.trials if trial.values])
        record = outcome.folder.trial("one", 0).record()
        assert record and record.test is None and record.efficiency and record.gates
    assert found[0] == found[1] and len(found[0]) == 3
