"""The clock counts what it says."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from bench.cell import timing
from bench.detector import Detections, Detector


class Slow:
    """Needs `span_s` a batch, and says how large the batches were that it was asked for."""

    def __init__(self, span_s: float) -> None:
        self.span_s = span_s
        self.asked: list[tuple[int, int]] = []

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        self.asked.append((len(images), batch_size))
        for start in range(0, len(images), batch_size):
            time.sleep(self.span_s)
            for _ in images[start : start + batch_size]:
                yield Detections.none()


def slow(span_s: float) -> Any:
    return cast(Detector, Slow(span_s))


def test_latency_is_that_of_one_picture_after_a_warm_up() -> None:
    detector = slow(0.01)
    latency = timing.latency_ms(detector, [Path(str(n)) for n in range(10)])
    median, p95, timed = latency.median, latency.p95, latency.images
    assert detector.asked == [(timing.WARM_UP, 1), (10, 1)]
    assert timed == 10
    assert 10 <= median <= p95
    assert median < 40


class Clocked:
    """Image i takes i + 1 ms of a clock that stands still otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        for index in range(len(images)):
            self.now += (index + 1) / 1000
            yield Detections.none()


def test_latency_has_the_median_and_the_95th_percentile(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = Clocked()
    monkeypatch.setattr(timing, "time", detector)
    found = timing.latency_ms(cast(Detector, detector), [Path(str(n)) for n in range(40)])
    assert (found.median, found.p95, found.images) == (pytest.approx(20.5), pytest.approx(39), 40)


def test_throughput_repeats_few_pictures_and_uses_batches() -> None:
    detector = slow(0.01)
    rate = timing.images_per_s(detector, [Path("a"), Path("b")])
    ((asked, batch),) = detector.asked
    assert asked >= timing.TIMED_IMAGES and asked % batch == 0
    assert 100 < rate <= timing.THROUGHPUT_BATCH / 0.01


def test_a_slow_model_is_timed_on_fewer_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TIMED_S", 0.05)
    timed = timing.latency_ms(slow(0.02), [Path(str(n)) for n in range(50)]).images
    assert timed < 10


def test_sizes_of_all_files_below_are_added(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"45")
    assert timing.folder_bytes(tmp_path) == 5


def test_memory_is_a_plausible_figure() -> None:
    assert 10 < timing.peak_memory_mib() < 1 << 20
