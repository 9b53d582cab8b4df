from bench.reports.columns import COLUMNS, rows
from bench.reports.comparison import compare


def best(comparison, key):
    index = [column.key for column in COLUMNS].index(key)
    return [row.contestant.label for row in rows(comparison) if row.entries and row.entries[index].best]


def test_the_best_of_each_column_is_marked_whichever_way_is_better(make_run):
    (comparison,) = compare([make_run()])
    assert best(comparison, "ap") == ["yolo-n"]
    assert best(comparison, "parameters") == ["detr"]
    assert best(comparison, "latency") == ["yolo-n"]
    assert best(comparison, "throughput") == ["yolo-n"]


def test_ties_are_both_marked_and_a_lone_model_is_not(make_run, make_record):
    (tied,) = compare([make_run("a", records=[make_record("x", 0, 0.5), make_record("y", 0, 0.5)])])
    assert best(tied, "ap") == ["x", "y"]
    (lone,) = compare([make_run("b", records=[make_record("x", 0, 0.5)])])
    assert best(lone, "ap") == []


def test_places_run_over_all_runs(make_run, make_record):
    one = make_run("one", records=[make_record("a", 0, 0.3)])
    two = make_run("two", records=[make_record("b", 0, 0.5)])
    (comparison,) = compare([one, two])
    assert [(row.contestant.label, row.place) for row in rows(comparison)] == [("b", "1"), ("a", "2")]


def test_spreads_and_gaps_are_written(make_run, make_failed, make_record):
    records = [make_record("a", 0, 0.4), make_record("a", 1, 0.6), make_failed("b", 0)]
    (comparison,) = compare([make_run(records=records)])
    first, second = rows(comparison)
    assert (first.entries[0].text, first.entries[0].spread) == ("0.500", "± 0.141")
    assert second.place == "\N{EN DASH}"
    assert {entry.text for entry in second.entries} == {"\N{EN DASH}"}
