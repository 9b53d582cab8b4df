"""The manifest's list of repairs."""

from bench.datasets.repairs import KINDS, LISTED, Repair, summary


def test_findings_are_counted_and_listed_by_kind():
    found = [Repair("clipped", "a.jpg", "annotation 7", "x"), Repair("no_file", "b.jpg")]
    assert summary(found) == {
        "clipped": {
            "count": 1,
            "meaning": KINDS["clipped"],
            "listed": [{"image": "a.jpg", "record": "annotation 7", "detail": "x"}],
        },
        "no_file": {"count": 1, "meaning": KINDS["no_file"], "listed": [{"image": "b.jpg"}]},
    }


def test_a_very_long_list_has_an_end_and_the_count_has_not():
    found = summary(Repair("polygon", "a.jpg", f"line {row}") for row in range(LISTED + 5))
    assert found["polygon"]["count"] == LISTED + 5
    assert len(found["polygon"]["listed"]) == LISTED
