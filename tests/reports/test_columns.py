from bench.reports.columns import COLUMNS, SPLIT_COLUMNS
from bench.reports.comparison import compare
from bench.reports.ranking import rare_ap
from bench.reports.ranking_table import rows, table


def best(comparison, key):
    index = [column.key for column in COLUMNS].index(key)
    return [row.contestant.label for row in rows(comparison) if row.entries and row.entries[index].best]


def test_the_best_of_each_column_is_marked_whichever_way_is_better(make_run, make_record, certain):
    certain(0.001)
    records = [
        make_record(model, seed, ap + seed / 1000, latency_ms=ms, parameters=size)
        for model, ap, ms, size in (("a", 0.5, 10.0, 3_000_000), ("b", 0.3, 90.0, 2_000_000))
        for seed in (0, 1)
    ]
    (comparison,) = compare([make_run(records=records)])
    assert best(comparison, "ap") == ["a"]
    assert best(comparison, "parameters") == ["b"]
    assert best(comparison, "latency") == ["a"]


def test_what_is_not_told_from_the_best_is_marked_alike(make_run, make_record, certain):
    certain(0.02)
    records = [
        make_record(model, seed, ap + seed / 1000, parameters=size)
        for model, ap, size in (("a", 0.906, 218_731), ("b", 0.904, 218_298), ("c", 0.3, 900_000))
        for seed in (0, 1)
    ]
    (comparison,) = compare([make_run(records=records)])
    assert best(comparison, "ap") == ["a", "b"]
    assert best(comparison, "parameters") == ["a", "b"], "0.2 % are no difference"


def test_nothing_is_marked_without_intervals_or_rivals(make_run, make_record):
    (unknown,) = compare([make_run("a", records=[make_record("x", 0, 0.5), make_record("y", 0, 0.4)])])
    assert best(unknown, "ap") == best(unknown, "latency") == []
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


def of_rare(record, ap):
    """With rare classes, and their AP on both splits."""
    splits = {name: getattr(record, name).model_copy(update={"AP_rare": ap}) for name in ("val", "test")}
    return record.model_copy(update={**splits, "rare_classes": ("bottle",)})


def test_rare_classes_have_a_column_where_some_cell_tells_of_them(make_run, make_record):
    records = [of_rare(make_record("a", 0, 0.5), 0.2), make_record("b", 0, 0.4)]
    (comparison,) = compare([make_run(records=records)])
    found = table(comparison, COLUMNS)
    index = [column.key for column in found.columns].index("ap_rare")
    assert [row.entries[index].text for row in found.rows] == ["0.200", "\N{EN DASH}"]
    assert len(found.columns) == len(COLUMNS)
    (without,) = compare([make_run("old", records=[make_record("a", 0, 0.5)])])
    assert "ap_rare" not in [column.key for column in table(without, COLUMNS).columns]
    assert sum(width for _, width in found.groups) == len(found.columns)


def test_rare_classes_are_those_of_the_training_that_is_ranked(make_run, make_final):
    record = of_rare(make_final("a", 0, 0.5, 0.6), 0.2)
    again = record.final.test.model_copy(update={"AP_rare": 0.3})
    record = record.model_copy(update={"final": record.final.model_copy(update={"test": again})})
    (comparison,) = compare([make_run(records=[record])])
    (row,) = rows(comparison)
    told = dict(zip((column.key for column in COLUMNS), (entry.text for entry in row.entries), strict=True))
    assert (told["ap"], told["ap_rare"]) == ("0.600", "0.300")
    assert rare_ap(record) == 0.3


def test_val_stands_beside_test(make_run, make_record):
    records = [of_rare(make_record("a", seed, 0.5 + 0.1 * seed), 0.2) for seed in (0, 1)]
    (comparison,) = compare([make_run(records=records)])
    found = table(comparison, SPLIT_COLUMNS)
    assert found.groups == [("Val split", 3), ("Test split", 3)]
    (row,) = found.rows
    texts = dict(zip([column.key for column in found.columns], row.entries, strict=True))
    assert (texts["val_AP"].text, texts["test_AP"].text) == ("0.560", "0.550")  # made so: val is 0.01 higher
    assert texts["test_AP"].spread == "± 0.071" and texts["val_AP_rare"].text == "0.200"
