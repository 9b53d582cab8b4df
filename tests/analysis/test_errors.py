"""Errors by kind are those of tidecv, the authors' code."""

from typing import Any

import pytest

from bench.analysis import KINDS, errors_at, errors_by_kind

IMAGES, CLASSES = 25, 4
BOX = (10.0, 10.0, 40.0, 40.0)

TIDECV_COUNTS = dict(zip(KINDS, (17, 118, 37, 27, 48, 18), strict=True))
TIDECV_GAINS = (0.0398361202, 0.3196616447, 0.0086530593, 0.0043519451, 0.0273554916, 0.0304587402)
"""Of scene 0, from tidecv 1.0.1."""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_counts_and_costs_are_those_of_tidecv(seed: int, scene: Any, table_of: Any) -> None:
    """pip install --no-deps tidecv==1.0.1 appdirs: its opencv-python clashes with the headless one."""
    tidecv = pytest.importorskip("tidecv", reason="tidecv 1.0.1 is not installed")
    from tidecv.errors import main_errors

    objects, detections = scene(seed)
    truth, found = tidecv.Data("truth"), tidecv.Data("found")
    for image in range(IMAGES):
        truth.add_image(image, str(image))
    for image, label, box, crowd in objects:
        (truth.add_ignore_region if crowd else truth.add_ground_truth)(image, label, list(box))
    for image, label, box, score in detections:
        found.add_detection(image, label, score, list(box))
    run = tidecv.TIDE().evaluate(truth, found, mode=tidecv.TIDE.BOX)
    names = ("ClassError", "BoxError", "OtherError", "DuplicateError", "BackgroundError", "MissedError")
    theirs = [getattr(main_errors, name) for name in names]
    costs, counts, special = run.fix_main_errors(), run.count_errors(), run.fix_special_errors()
    mine = errors_by_kind(table_of(objects, detections, IMAGES, CLASSES))
    assert mine.ap == pytest.approx(run.ap / 100)
    assert mine.counts == dict(zip(KINDS, [counts[kind] for kind in theirs], strict=True))
    assert list(mine.ap_gain.values()) == pytest.approx([costs[kind] / 100 for kind in theirs])
    assert all(mine.counts.values())
    assert mine.ap_gain_false_positives == pytest.approx(special[main_errors.FalsePositiveError] / 100)
    assert mine.ap_gain_false_negatives == pytest.approx(special[main_errors.FalseNegativeError] / 100)


def test_figures_that_tidecv_gave(scene: Any, table_of: Any) -> None:
    """So that a machine without it notices a change."""
    found = errors_by_kind(table_of(*scene(0), IMAGES, CLASSES))
    assert found.counts == TIDECV_COUNTS
    assert list(found.ap_gain.values()) == pytest.approx(TIDECV_GAINS, abs=1e-9)


def test_one_error_of_each_kind(table_of: Any) -> None:
    """Two objects in image 0 and one in image 1 that nothing finds."""
    other = (100.0, 10.0, 40.0, 40.0)
    objects = [(0, 0, BOX, False), (0, 1, other, False), (1, 0, BOX, False)]
    detections = [
        (0, 0, BOX, 0.9),
        (0, 0, (10.0, 10.0, 40.0, 39.0), 0.8),  # duplicate
        (0, 0, (30.0, 10.0, 40.0, 40.0), 0.7),  # localisation: IoU 1/3
        (0, 0, other, 0.6),  # class
        (0, 0, (120.0, 10.0, 40.0, 40.0), 0.5),  # both: IoU 1/3 with another class
        (0, 1, (10.0, 200.0, 40.0, 40.0), 0.4),  # background
    ]
    table = table_of(objects, detections, 2, 2)
    found = errors_by_kind(table)
    assert found.counts == dict.fromkeys(KINDS, 1)
    assert found.ap_gain["missed"] > 0 and found.ap_gain["class"] > 0
    listed = errors_at(table, 0.45)
    assert {
        KINDS[kind]: int(table.row[one]) for one, kind in zip(listed.detections, listed.kinds, strict=True)
    } == {
        "duplicate": 1,
        "localisation": 2,
        "class": 3,
        "both": 4,
    }
    assert table.object_id[listed.missed].tolist() == [2, 3]
    assert [listed.count(kind) for kind in KINDS] == [1, 1, 1, 1, 0, 2]


def test_nothing_there_and_nothing_found(table_of: Any) -> None:
    found = errors_by_kind(table_of([], [], 1, 2))
    assert found.ap == 0.0 and set(found.counts.values()) == {0} and set(found.ap_gain.values()) == {0.0}
