import math

import pytest

from bench.cli.tables import comparison
from bench.reports.ranking import Spread, ranking


def test_best_mean_first_and_failed_models_last(make_record, make_failed):
    rows = ranking(
        [
            make_failed("broken", 0),
            make_record("low", 0, 0.2),
            make_record("high", 0, 0.5),
            make_record("low", 1, 0.4),
            make_failed("high", 1),
        ]
    )
    assert [row.model for row in rows] == ["high", "low", "broken"]
    assert [row.place for row in rows] == [1, 2, None]
    assert [len(row.failed) for row in rows] == [1, 0, 1]
    assert rows[1].ap.mean == pytest.approx(0.3)
    assert rows[1].ap.sd == pytest.approx(math.sqrt(0.02))
    assert rows[1].seeds == (0, 1)
    assert rows[2].ap is None


def test_one_seed_has_no_spread(make_record):
    (row,) = ranking([make_record("only", 3, 0.5)])
    assert row.ap.sd is None
    assert row.spread(lambda record: record.test.coco.AP_large) is None


def test_equal_means_share_a_place(make_record):
    rows = ranking([make_record("a", 0, 0.5), make_record("b", 0, 0.5), make_record("c", 0, 0.1)])
    assert [(row.model, row.place) for row in rows] == [("a", 1), ("b", 1), ("c", 3)]


def test_places_are_given_within_a_dataset(make_record):
    rows = ranking([make_record("a", 0, 0.5, dataset="x"), make_record("a", 0, 0.2, dataset="y")])
    assert [(row.dataset, row.place) for row in rows] == [("x", 1), ("y", 1)]


def test_undefined_values_are_left_out_of_a_spread():
    assert Spread.of([None, 0.5, None]) == Spread((0.5,))
    assert Spread.of([None]) is None


def test_an_invalid_cell_counts_for_nothing(make_record, make_invalid):
    rows = ranking(
        [make_invalid("broken", 0, ap=0.99), make_record("a", 0, 0.5), make_invalid("a", 1, ap=0.9)]
    )
    assert [(row.model, row.place) for row in rows] == [("a", 1), ("broken", None)]
    assert rows[0].ap.mean == 0.5
    assert [len(row.invalid) for row in rows] == [1, 1]
    assert rows[1].done == rows[1].failed == ()


def test_the_terminal_says_which_training_is_ranked(make_final, make_record):
    finals = [make_final("a", 0, 0.4, 0.6), make_final("b", 0, 0.5, 0.55)]
    assert [row.model for row in ranking(finals)] == ["a", "b"]
    assert comparison(ranking(finals)).title == "Ranked by test AP of the final trainings"
    assert comparison(ranking([*finals, make_record("c", 0, 0.4)])).title == "Ranked by test AP"
