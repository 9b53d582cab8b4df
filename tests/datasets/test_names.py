"""Names of pictures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.datasets.names import layout_names, relative_name


@pytest.mark.parametrize(
    ("given_name", "expected"),
    [("a.jpg", "a.jpg"), ("./a//b.jpg", "a/b.jpg"), ("a\\b.jpg", "a/b.jpg"), ("a b.jpg", "a b.jpg")],
)
def test_clean(given_name, expected):
    assert relative_name(given_name) == expected


@pytest.mark.parametrize(
    "name", ["../a.jpg", "a/../../b", "..", "/a.jpg", "\\\\host\\a", "D:/a.jpg", "", "a\0b"]
)
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(ValueError, match=r"is |leads out"):
        relative_name(name)


def test_layout_names_are_readable():
    names = ["batch_1/000006.jpg", "train/images/x.rf.abc.jpg", "a.JPG"]
    assert layout_names(names, [".jpg", ".jpg", ".JPG"]) == ["batch_1__000006.jpg", "x.rf.abc.jpg", "a.JPG"]


def test_stems_that_would_be_equal_get_a_hash_each():
    found = layout_names(["a.jpg", "A.png", "train/a.jpg", "b.jpg"], [".jpg", ".png", ".jpg", ".jpg"])
    assert found[3] == "b.jpg"
    assert len({name.rpartition(".")[0].lower() for name in found}) == 4
    again = layout_names(["train/a.jpg", "b.jpg", "A.png", "a.jpg"], [".jpg", ".jpg", ".png", ".jpg"])
    assert sorted(again) == sorted(found), "whatever the order"


@given(st.lists(st.text(min_size=1, max_size=200), unique=True, max_size=20))
def test_any_names_become_safe_and_different(names):
    found = layout_names(names, [".jpg"] * len(names))
    stems = [name.removesuffix(".jpg").lower() for name in found]
    assert len(set(stems)) == len(names)
    for name in found:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
        assert not name.startswith((".", "-"))
        assert len(name) < 160
