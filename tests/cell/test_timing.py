"""The clock counts what it says."""

import subprocess
import sys
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


IMAGES = [Path(str(number)) for number in range(10)]


def test_latency_is_that_of_one_image_after_a_warm_up(tmp_path: Path) -> None:
    detector = slow(0.01)
    measured = timing.measure(detector, IMAGES, tmp_path, "cpu")
    single = [images for images, batch in detector.asked if batch == 1]
    assert single == [timing.WARM_UP] + [1 + timing.ROUND] * timing.ROUNDS
    assert measured.timed_images == timing.ROUNDS * timing.ROUND
    assert 10 <= measured.latency_ms <= measured.latency_p95_ms
    assert measured.latency_ms < 40
    assert len(measured.latency_rounds_ms) == timing.ROUNDS


class Clocked:
    """Call i takes i + 1 ms for each image, of a clock that stands still otherwise; the first image 1 s."""

    def __init__(self) -> None:
        self.now = 0.0
        self.calls = 0

    def perf_counter(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.now

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        self.calls += 1
        for index in range(len(images)):
            self.now += 1.0 if index == 0 and batch_size == 1 else self.calls / 1000
            yield Detections.none()


def test_the_figures_follow_from_the_spans(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    detector = Clocked()
    monkeypatch.setattr(timing, "time", detector)
    found = timing.measure(cast(Detector, detector), IMAGES, tmp_path, "cpu")
    assert found.latency_rounds_ms == pytest.approx(range(2, 12))  # the first call is the warm-up
    assert found.latency_ms == pytest.approx(6.5)
    assert found.latency_p95_ms == pytest.approx(11)
    assert found.images_per_s == pytest.approx(1000 / 12)


def test_throughput_repeats_few_images_and_uses_batches() -> None:
    detector = slow(0.01)
    watch = timing.Stopwatch(detector, [Path("a"), Path("b")])
    watch.throughput()
    asked, batch = detector.asked[-1]
    assert asked >= timing.ROUNDS * timing.ROUND and asked % batch == 0 and batch == timing.THROUGHPUT_BATCH


def test_a_slow_model_is_timed_on_fewer_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(timing, "TIMED_S", 0.05)
    assert 0 < timing.measure(slow(0.02), IMAGES, tmp_path, "cpu").timed_images < 10


def test_the_load_is_that_of_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """In 2 s of the wall clock all processes computed for 7 s, this one for 3 of them."""
    clocks = iter([(10.0, 100.0, 5.0), (12.0, 107.0, 8.0)])
    monkeypatch.setattr(timing, "_clocks", lambda: next(clocks))
    meter = timing.LoadMeter()
    with meter:
        pass
    assert meter.cores == pytest.approx(2)


def test_work_of_another_process_is_seen() -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        meter = timing.LoadMeter()
        with meter:
            time.sleep(0.5)
        busy.kill()
    assert meter.cores > 0.3


def test_sizes_of_all_files_below_are_added(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"45")
    assert timing.folder_bytes(tmp_path) == 5


def test_memory_is_a_plausible_figure() -> None:
    assert 10 < timing.peak_memory_mib() < 1 << 20
