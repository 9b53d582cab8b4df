"""Detections on disk: what is read back is what was judged."""

import gc
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.boxes import empty
from bench.detector import Detections
from bench.errors import RunError
from bench.evaluation import Results, read_results, results_json, write_results
from bench.evaluation import results as module
from bench.gc_pause import gc_paused
from bench.layout import Example

FOUND = Detections(
    boxes_xyxy=np.array([[1.00049, 2.0, 11.5, 30.00051], [0.0, 0.0, 5.0, 5.0]]),
    scores=np.array([0.87654321, 0.25]),
    labels=np.array([2, 0]),
)


def example(image_id: int) -> Example:
    return Example(image_id, Path(f"{image_id}.png"), (99, 99), empty(), np.zeros(0, int), np.zeros(0, bool))


def same(one: Results, other: Results) -> bool:
    """Equal to the last bit."""
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("image_ids", "category_ids", "boxes_xywh", "scores")
    )


def test_the_file_is_coco_results_json(tmp_path: Path) -> None:
    path = tmp_path / "new" / "predictions_test.json"
    write_results(path, results_json([example(5), example(2)], [FOUND, Detections.none()]))
    assert json.loads(path.read_text()) == [
        {"image_id": 5, "category_id": 3, "bbox": [1.0, 2.0, 10.5, 28.001], "score": 0.876543},
        {"image_id": 5, "category_id": 1, "bbox": [0.0, 0.0, 5.0, 5.0], "score": 0.25},
    ]
    assert len(path.read_text().splitlines()) == 4, "a line a detection, one for each bracket"


@settings(deadline=None)
@given(
    numbers=st.lists(
        st.tuples(*[st.floats(-50, 5000)] * 2, *[st.floats(0, 5000)] * 2, st.floats(0, 1)), max_size=30
    )
)
def test_reading_back_gives_the_very_numbers(numbers: list[tuple[float, ...]], results_path: Path) -> None:
    rows = np.array(numbers).reshape(-1, 5)
    boxes_xyxy = np.concatenate([rows[:, :2], rows[:, :2] + rows[:, 2:4]], axis=1)
    found = Detections(boxes_xyxy, rows[:, 4], np.arange(len(rows)))
    results = results_json([example(1)], [found])
    write_results(results_path, results)
    assert same(read_results(results_path), results)


def test_a_long_file_is_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LINES_A_PIECE", 3)
    for images in range(5):  # 0, 2, 4, 6, 8 detections: pieces that end early, and just so
        results = results_json([example(n + 1) for n in range(images)], [FOUND] * images)
        write_results(tmp_path / "long.json", results)
        assert same(read_results(tmp_path / "long.json"), results)


def test_detections_may_come_lazily() -> None:
    def predict() -> Iterator[Detections]:
        yield FOUND
        yield Detections.none()

    assert results_json([example(1), example(2)], predict()).image_ids.tolist() == [1, 1]


def test_a_picture_without_an_answer_is_refused() -> None:
    with pytest.raises(RunError, match="detections for 1 pictures where there are 2"):
        results_json([example(1), example(2)], [FOUND])


@pytest.mark.parametrize(
    ("box", "score", "complaint"),
    [
        ([0.0, 0.0, float("nan"), 1.0], 0.5, "not finite"),
        ([0.0, 0.0, 1.0, 1.0], float("inf"), "not finite"),
        ([5.0, 0.0, 1.0, 1.0], 0.5, "negative width or height"),
    ],
)
def test_a_detector_that_gives_nonsense_is_told_so(box: list[float], score: float, complaint: str) -> None:
    nonsense = Detections(np.array([box]), np.array([score]), np.array([0]))
    with pytest.raises(RunError, match=complaint) as caught:
        results_json([example(8), example(9)], [Detections.none(), nonsense])
    assert caught.value.record == "detection 0 (image_id 9)"
    assert "predict" in str(caught.value.hint)


GOOD = '{"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}'


def bad(old: str, new: str) -> str:
    """A list of one detection, with `old` otherwise."""
    assert old in GOOD
    return "[" + GOOD.replace(old, new) + "]"


@pytest.mark.parametrize(
    ("text", "record", "complaint"),
    [
        ("[{", None, "is no JSON"),
        ("{}", None, "should be a list"),
        (f"[{GOOD}, 3]", "detection 1", "is no detection"),
        (f"[{GOOD}, {{}}]", "detection 1", "is no detection"),
        (bad("5, 5]", "5]"), "detection 0", "is no detection"),
        (bad("0.5", "null"), "detection 0", "is no detection"),
        (bad("0.5", '"0.5"'), "detection 0", "is no detection"),
        (bad('_id": 1,', '_id": 1.5,'), "detection 0", "is no detection"),
        (bad("0.5", "NaN"), "detection 0 (image_id 1)", "not finite"),
        (bad("5, 5]", "5, -5]"), "detection 0 (image_id 1)", "negative width"),
        (None, None, "no such predictions"),
    ],
)
def test_a_file_that_is_no_results_json(
    tmp_path: Path, text: str | None, record: str | None, complaint: str
) -> None:
    path = tmp_path / "predictions_val.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(RunError, match=complaint) as caught:
        read_results(path)
    assert (caught.value.file, caught.value.record) == (path, record)
    assert "predictions_val.json" in str(caught.value.hint)


def test_a_write_that_breaks_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(results: Results) -> Iterator[str]:
        yield "\n{"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_pieces", full)
    with pytest.raises(RunError, match="disk is full"):
        write_results(tmp_path / "predictions_val.json", results_json([example(1)], [FOUND]))
    assert list(tmp_path.iterdir()) == []


def test_the_collector_is_as_it_was_afterwards() -> None:
    assert gc.isenabled()
    with pytest.raises(KeyError), gc_paused():
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
