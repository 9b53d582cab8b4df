import json

import pytest

from bench.reports.comparison import compare
from bench.reports.datasheet import MOST_LISTED, datasheet


@pytest.fixture
def sheet(make_run):
    def sheet(**changes):
        run = make_run(f"run-{len(changes)}")
        manifest = json.loads(run.manifest_path.read_text(encoding="utf-8"))
        run.manifest_path.write_text(json.dumps({**manifest, **changes}), encoding="utf-8")
        return datasheet(compare([run])[0])

    return sheet


def test_splits_classes_and_origin(sheet):
    found = sheet()
    assert [(row.name, row.images, row.background) for row in found.splits] == [
        ("train", 448, 44),
        ("val", 96, 9),
        ("test", 96, 9),
    ]
    assert found.splits[0].pixels == "96\N{EN DASH}1,280 \N{MULTIPLICATION SIGN} 120"
    assert (found.classes[0].name, found.classes[0].counts, found.classes[0].bar) == (
        "bottle",
        (900, 180, 180),
        100,
    )
    assert ("licence", "CC BY 4.0 <u>") in found.facts
    assert ("split, seed", "0") in found.facts
    assert found.limit == ""


def test_repairs_are_counted_and_their_lists_capped(sheet):
    clipped, unreadable = sheet().repairs
    assert (clipped.count, len(clipped.listed), clipped.more) == (250, MOST_LISTED, 250 - MOST_LISTED)
    assert (unreadable.count, unreadable.more) == (1, 0)


def test_the_class_table_is_shown_where_it_changed_something(sheet):
    assert sheet().mapped[0].dropped
    same = {"table": None, "rows": [{"source": "a", "class": "a", "boxes": 1}]}
    assert sheet(table=same).mapped == ()


def test_a_limit_is_told(sheet):
    found = sheet(limit={"images": 64, "of": 640, "how": "a stratified share of each split"})
    assert found.limit == "64 of 640 images, a stratified share of each split"


def test_parts_that_are_missing_or_strange_break_nothing(make_run):
    run = make_run()
    run.manifest_path.write_text(
        '{"statistics": {"train": 3}, "repairs": {"x": 2}, "source": "here"}', encoding="utf-8"
    )
    found = datasheet(compare([run])[0])
    assert found.splits == () and found.classes == ()
    assert [(repair.kind, repair.count) for repair in found.repairs] == [("x", 2)]


def test_no_manifest(make_run):
    run = make_run(without=("manifest.json",))
    assert not datasheet(compare([run])[0]).known
