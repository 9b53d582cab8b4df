import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.reports.axes import fitting, linear, logarithmic

VALUES = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=20)


@given(VALUES)
def test_linear_axes_hold_all_values_between_few_round_ticks(values):
    axis = linear(values)
    assert axis.low == 0 and axis.high >= max(values) * (1 - 1e-6)
    assert 2 <= len(axis.values) <= 8
    assert all(-0.01 <= axis.at(value) <= 100.01 for value in values)


@given(VALUES)
def test_logarithmic_axes_hold_all_values(values):
    axis = logarithmic(values)
    assert axis.low <= min(values) * 1.001 and axis.high >= max(values) * 0.999
    assert axis.low < axis.high
    assert all(-0.1 <= axis.at(value) <= 100.1 for value in values)


def test_positions_are_percents():
    axis = linear([0.0, 0.53])
    assert (axis.low, axis.high) == (0, 0.6)
    assert axis.at(0.3) == 50
    assert [tick.text for tick in axis.ticks] == ["0", "0.2", "0.4", "0.6"]


def test_a_position_is_turned_back_into_its_value():
    for axis in (linear([0.0, 0.53]), logarithmic([2.0, 900.0])):
        assert axis.value(axis.at(0.5 * axis.high)) == pytest.approx(0.5 * axis.high, rel=1e-3)


def test_a_constant_has_an_axis_too():
    assert linear([0.0]).high > 0
    for value in (2.0, 1e6):
        flat = linear([value, value * (1 + 1e-12)], zero=False)
        assert flat.low < value < flat.high


@pytest.mark.parametrize(
    ("values", "log"), [([3.0, 19.0], True), ([3.0, 4.0], False), ([0.0, 5.0], False), ([], False)]
)
def test_wide_spans_are_logarithmic(values, log):
    assert fitting(values).log is log
