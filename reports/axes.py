"""Axes in data units: limits and ticks at round values, linear or logarithmic."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bench.reports.wording import short

FLAT = 1e-9
"""Values that differ by less, relative to their size, are one value."""

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

MOST_TICKS = 7
"""Ticks of a logarithmic axis; with more only powers of ten are kept between the ends."""


@dataclass(frozen=True)
class Tick:
    """A labelled position on an axis."""

    at: float  # percent of the axis
    text: str


@dataclass(frozen=True)
class Axis:
    """From `low` to `high` in data units, with the values of its ticks."""

    low: float
    high: float
    values: tuple[float, ...]
    log: bool = False
    label: str = ""
    write: Callable[[float], str] = short  # a tick's text

    def at(self, value: float) -> float:
        """Percent of the way from `low` to `high`."""
        if self.log:
            share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(100 * share, 2)

    def value(self, at: float) -> float:
        """The value at `at` percent: the inverse of `at`."""
        if self.log:
            return float(self.low * (self.high / self.low) ** (at / 100))
        return self.low + at / 100 * (self.high - self.low)

    def down(self, value: float) -> float:
        """Percent of the way from `high` to `low`: a position from the top of a chart."""
        return round(100 - self.at(value), 2)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        return tuple(Tick(self.at(value), self.write(value)) for value in self.values)

    @property
    def crosses_zero(self) -> bool:
        return not self.log and self.low < 0 < self.high

    def named(self, label: str, write: Callable[[float], str] = short) -> "Axis":
        """The same axis with a label that names figure and unit."""
        return replace(self, label=label, write=write)

    def thinned(self, most: int) -> "Axis":
        """With at most `most` ticks, evenly chosen."""
        return replace(self, values=self.values[:: -(-len(self.values) // most)])


def linear(values: Iterable[float], *, ticks: int = 5, zero: bool = True) -> Axis:
    """Steps of 1, 2, 2.5 or 5 times a power of ten around `values`; includes 0 where `zero` is true."""
    known = list(values) or [0.0, 1.0]
    low, high = min(known), max(known)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < FLAT * max(abs(low), abs(high), FLAT):
        low, high = (low, high + 1.0) if zero else (low - 0.5, high + 0.5)
    raw = (high - low) / ticks
    magnitude = 10 ** math.floor(math.log10(raw))
    step = next(s * magnitude for s in _STEPS if s * magnitude >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    marks = tuple(float(f"{k * step:.10g}") for k in range(first, last + 1))
    return Axis(marks[0], marks[-1], marks)


LEAST_AP_SPAN = 0.1
"""An axis of AP reaches at least this far, so that figures next to zero look small."""


def of_ap(values: Iterable[float], *, ticks: int = 5) -> Axis:
    """For AP: from 0 to at least LEAST_AP_SPAN."""
    return linear([*values, LEAST_AP_SPAN], ticks=ticks)


def logarithmic(values: Iterable[float]) -> Axis:
    """Ticks at 1, 2 and 5 times powers of ten. Values are positive."""
    known = list(values)
    low, high = min(known), max(known)
    ladder = [m * 10.0**e for e in range(-12, 16) for m in (1, 2, 5)]
    start = max(i for i, value in enumerate(ladder) if value <= low * (1 + 1e-9))
    end = min(i for i, value in enumerate(ladder) if value >= high * (1 - 1e-9))
    if start == end:
        start, end = start - 1, end + 1
    marks = ladder[start : end + 1]
    if len(marks) > MOST_TICKS:
        tens = [value for value in marks if abs(math.log10(value) - round(math.log10(value))) < 1e-9]
        marks = [marks[0], *(v for v in tens if marks[0] < v < marks[-1]), marks[-1]]
    return Axis(ladder[start], ladder[end], tuple(float(f"{m:.1g}") for m in marks), log=True)


def fitting(values: Iterable[float]) -> Axis:
    """Logarithmic where values span more than a factor of three, else linear from 0."""
    known = list(values)
    if known and min(known) > 0 and max(known) / min(known) > 3:
        return logarithmic(known)
    return linear(known)


def whole(first: float, last: float, *, ticks: int = 5) -> Axis:
    """For epochs and trials: from `first` to `last`, with ticks at whole numbers."""
    if first == last:
        return Axis(first - 1, last + 1, (first,))
    inner = [v for v in linear([0, last], ticks=ticks).values if v == int(v) and first <= v <= last]
    return Axis(first, last, tuple(dict.fromkeys([first, *(v for v in inner if v - first > last / 12)])))


def categories(names: Sequence[str]) -> Axis:
    """One tick a name, at 0, 1, 2 ..."""
    return Axis(
        -0.4, len(names) - 0.6, tuple(map(float, range(len(names)))), write=lambda value: names[int(value)]
    )
