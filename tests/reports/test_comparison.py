import pytest

from bench.errors import RunError
from bench.reports.comparison import compare


def test_models_stand_best_first_and_keep_the_colour_of_their_place_in_the_config(make_run):
    (comparison,) = compare([make_run()])
    assert [c.label for c in comparison.contestants] == ["yolo-n", "frcnn", "detr"]
    assert [c.tone.index for c in comparison.contestants] == [1, 2, 0]


def test_runs_on_the_same_data_stand_together(make_run, make_record):
    one = make_run("one", records=[make_record("yolo", 0, 0.3), make_record("detr", 0, 0.2)])
    two = make_run("two", records=[make_record("yolo", 0, 0.5)])
    (comparison,) = compare([one, two])
    assert [c.label for c in comparison.contestants] == ["yolo · two", "yolo · one", "detr"]
    assert len({c.tone.light for c in comparison.contestants}) == 3


def test_runs_on_different_data_stand_apart(make_run, make_record):
    one = make_run("one", records=[make_record("yolo", 0, 0.3, dataset="x")], dataset="x")
    two = make_run("two", records=[make_record("yolo", 0, 0.5, dataset="y")], dataset="y")
    first, second = compare([one, two])
    assert (first.dataset, second.dataset) == ("x", "y")
    assert [run.label for run in first.runs] == ["one"]


def test_the_shown_cell_is_the_first_seed_and_not_the_best(make_run):
    (comparison,) = compare([make_run()])
    assert comparison.contestants[0].shown.seed == 0


@pytest.mark.parametrize("twice", [True, False])
def test_what_can_not_be_compared(make_run, twice):
    if twice:
        run = make_run()
        with pytest.raises(RunError, match="named twice"):
            compare([run, run])
    else:
        with pytest.raises(RunError, match="no run"):
            compare([])


def test_a_run_without_a_finished_cell(make_run):
    run = make_run(records=[], cells=("a-s0",))
    with pytest.raises(RunError, match="no cell is finished"):
        compare([run])


def test_broken_json_names_the_file(make_run):
    run = make_run()
    run.manifest_path.write_text("{", encoding="utf-8")
    (comparison,) = compare([run])
    with pytest.raises(RunError, match=r"manifest\.json"):
        _ = comparison.manifest
