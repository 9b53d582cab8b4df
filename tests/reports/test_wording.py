import pytest

from bench.reports import wording


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05131, "0.051"), (0.9999, "1.00"), (7.254, "7.25"), (9.999, "10.0"), (61.0, "61.0"), (99.96, "100"),
     (1204.4, "1,204"), (0.0, "0"), (None, "\N{EN DASH}")],
)  # fmt: skip
def test_number(value, text):
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.25, "0.25"), (3.0, "3"), (62.0, "62"), (100.0, "100"), (99.5, "99.5")]
)
def test_short_has_no_idle_zeros(value, text):
    assert wording.short(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(4.24, "4.2 s"), (48.4, "48 s"), (750.0, "12 min 30 s"), (3599.6, "1 h 00 min"), (7500.0, "2 h 05 min")],
)
def test_seconds(value, text):
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(3_012_018, "3.01 M"), (41_200, "41.2 k"), (99_990, "0.10 M"), (350, "350")]
)
def test_millions(value, text):
    assert wording.millions(value) == text


def test_sizes():
    assert wording.bytes_(6.2 * 2**20) == "6.2 MiB"
    assert wording.mebibytes(3480.0) == "3.4 GiB"


def test_lists_and_counts():
    assert wording.listed(["a", "b", "c"]) == "a, b and c"
    assert wording.listed([]) == ""
    assert wording.count(1, "class", "classes") == "1 class"
    assert wording.count(1200, "box", "boxes") == "1,200 boxes"


def test_a_name_from_right_to_left_is_isolated():
    assert wording.isolated("bottle") == "bottle"
    assert wording.isolated("\u05d0\u05d1") == "\u2068\u05d0\u05d1\u2069"
    assert wording.isolated("a\u202eb") == "\u2068a\u202eb\u2069"
    assert wording.isolated("\u05d0\u2069\u05d1") == "\u2068\u05d0\u05d1\u2069", "no name ends its isolation"
