"""The match table says who found whom as pycocotools does, and survives the disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask

from bench.errors import RunError
from bench.evaluation import MatchTable, match, matches, matching, read_matches, write_matches
from bench.evaluation.matches import AREAS, COCO_IOUS, NO_OBJECT

THOROUGH = settings(max_examples=40, deadline=None)


def same(one: MatchTable, other: MatchTable) -> bool:
    return all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in MatchTable.__dataclass_fields__
    )


@pytest.mark.slow
@THOROUGH
@given(data=st.data())
def test_every_match_is_pycocotools_own(data: Any, scenes: Any, judged: Any, referee: Any) -> None:
    """Detection by detection, object by object, at each IoU and in each area range, and what is ignored."""
    scene = data.draw(scenes)
    table = match(*judged(scene))
    for area in AREAS:
        entries = [one for one in referee(scene).entries(area) if one is not None]
        for place, iou in enumerate(COCO_IOUS):
            matched = table.matched_object(iou, area)
            true, false = table.outcome(iou, area)
            by_row = {row: number for number, row in enumerate(table.row.tolist())}
            for entry in entries:
                mine = [by_row[detection - 1] for detection in entry["dtIds"]]
                ids = [0 if thing == NO_OBJECT else table.object_id[thing] for thing in matched[mine]]
                assert ids == entry["dtMatches"][place].tolist()
                assert (~(true | false)[mine]).tolist() == entry["dtIgnore"][place].tolist()
            seen = sum(len(entry["dtIds"]) for entry in entries)
            assert seen == np.count_nonzero(table.judged)
            assert not (true | false)[~table.judged].any()


@THOROUGH
@given(data=st.data())
def test_a_quick_match_finds_the_same_over_all_sizes(data: Any, scenes: Any, judged: Any) -> None:
    truth, results = judged(data.draw(scenes))
    whole, quick = match(truth, results), match(truth, results, quick=True)
    hits = [number for number, thing in enumerate(whole.hit_object[:, 0]) if (thing != NO_OBJECT).any()]
    assert set(whole.hit[hits]) <= set(quick.hit)
    for iou in matches.IOUS:
        np.testing.assert_array_equal(quick.matched_object(iou), whole.matched_object(iou))
    np.testing.assert_array_equal(quick.row, whole.row)
    np.testing.assert_array_equal(quick.rank, whole.rank)
    assert not quick.own_iou.any() and (quick.other_object == NO_OBJECT).all()


@THOROUGH
@given(data=st.data())
def test_the_best_overlaps_are_those_of_all_pairs(data: Any, scenes: Any, judged: Any) -> None:
    truth, results = judged(data.draw(scenes))
    table = match(truth, results)
    for number, row in enumerate(table.row.tolist()):
        here = (table.object_image == table.image[number]) & ~table.object_crowd
        own = table.object_label == table.label[number]
        for chosen, iou, thing in (
            (here & own, table.own_iou[number], table.own_object[number]),
            (here & ~own, table.other_iou[number], table.other_object[number]),
        ):
            things = np.flatnonzero(chosen)
            overlaps = (
                mask.iou(results.boxes_xywh[[row]], truth.object_xywh[things], [0] * len(things))[0]
                if len(things)
                else np.zeros(0)
            )
            assert iou == overlaps.max(initial=0.0)
            assert thing == (things[overlaps.argmax()] if iou > 0 else NO_OBJECT)


def test_detections_are_in_pycocotools_order(judged: Any, crowded_scene: Any) -> None:
    coco, found = crowded_scene
    tied = [one | {"score": round(one["score"], 1)} for one in reversed(found)]
    table = match(*judged((coco, tied)))
    keys = list(zip(table.label, -table.score, table.image, table.row, strict=True))
    assert keys == sorted(keys)
    assert table.images == 20 and len(table) == 400 and table.support.sum() == 80


def test_pairs_may_be_made_some_at_a_time(
    judged: Any, crowded_scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, results = judged(crowded_scene)
    at_once = match(truth, results)
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", 7)
    assert same(match(truth, results), at_once)


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_a_table_survives_the_disk(
    data: Any, scenes: Any, judged: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "matches_val.npz"
    table = match(*judged(data.draw(scenes)))
    write_matches(path, table)
    again = read_matches(path)
    assert same(again, table) and again.classes == table.classes
    assert [getattr(again, name).dtype for name in ("image", "score", "hit_object")] == [
        np.int32,
        np.float64,
        np.int32,
    ]


def test_a_table_that_can_not_be_read_is_refused(
    tmp_path: Path, judged: Any, one_box_scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "matches_val.npz"
    with pytest.raises(RunError, match="no such match table"):
        read_matches(path)
    with monkeypatch.context() as patch:
        patch.setattr(matches, "VERSION", 2)
        write_matches(path, match(*judged(one_box_scene)))
    with pytest.raises(RunError, match="version 2, not 1") as caught:
        read_matches(path)
    assert caught.value.file == path and caught.value.hint
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(RunError, match="is no match table"):
        read_matches(path)
