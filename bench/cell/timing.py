"""The cost of a checkpoint: latency, throughput, memory.

Times are from the image file to its final detections: decoding, resizing, network, post-processing.
Detections are numpy arrays, so a GPU has finished when they arrive.
"""

import resource
import statistics
import sys
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import psutil

from bench.detector import Detector
from bench.devices import on_gpu
from bench.records import Efficiency

WARM_UP = 3
"""Untimed images at the start: the first ones pay for allocations and kernel selection."""
ROUNDS = 10
ROUND = 5
"""Timed images in a round. Several models take turns by rounds, so that a busy moment of the machine is not
one model's alone."""
TIMED_S = 20.0
"""Limit for either measurement: a large model on a laptop is timed on fewer images."""
THROUGHPUT_BATCH = 8


class Stopwatch:
    """Measures one detector, step by step."""

    def __init__(self, detector: Detector, images: Sequence[Path]) -> None:
        """Warms the detector up. `images` are repeated where they are few."""
        self._detector = detector
        self._images = cycle(images)
        self._spans_ms: list[list[float]] = []
        self._images_per_s = 0.0
        self._meter = LoadMeter()
        self._predict(WARM_UP)

    def latency_round(self) -> None:
        """Time ROUND images, one at a time; nothing once TIMED_S are spent."""
        if sum(map(sum, self._spans_ms)) > 1000 * TIMED_S:
            return
        with self._meter:
            spans = self._predict(1 + ROUND)
        self._spans_ms.append(
            [1000 * span for span in spans[1:]]
        )  # the first pays for the beginning of a call

    def throughput(self) -> None:
        """Time as many images in batches of THROUGHPUT_BATCH."""
        images = ROUNDS * ROUND + -ROUNDS * ROUND % THROUGHPUT_BATCH
        with self._meter:
            spans = self._predict(images, THROUGHPUT_BATCH)
        self._images_per_s = len(spans) / sum(spans)

    def efficiency(self, checkpoint: Path, device: str) -> Efficiency:
        """What was measured. Memory is the largest that this process has held so far."""
        spans = sorted(span for of_round in self._spans_ms for span in of_round)
        return Efficiency(
            checkpoint_bytes=folder_bytes(checkpoint),
            latency_ms=statistics.median(spans),
            latency_p95_ms=spans[min(len(spans) - 1, int(0.95 * len(spans)))],
            latency_rounds_ms=tuple(statistics.median(of_round) for of_round in self._spans_ms),
            images_per_s=self._images_per_s,
            throughput_batch=THROUGHPUT_BATCH,
            timed_images=len(spans),
            peak_memory_mib=peak_memory_mib(),
            peak_gpu_memory_mib=peak_gpu_memory_mib(device),
            device=device,
            other_load=self._meter.cores,
        )

    def _predict(self, images: int, batch_size: int = 1) -> list[float]:
        """Seconds until each image's detections came, after those of the one before."""
        spans: list[float] = []
        begun = last = time.perf_counter()
        for _ in self._detector.predict(list(islice(self._images, images)), batch_size=batch_size):
            now = time.perf_counter()
            spans.append(now - last)
            last = now
            if now - begun > TIMED_S and len(spans) % batch_size == 0 and len(spans) > 1:
                break
        return spans


class LoadMeter:
    """How many CPU cores other processes keep busy while its blocks run."""

    def __init__(self) -> None:
        self._others_s = self._wall_s = 0.0

    def __enter__(self) -> None:
        self._begun = _clocks()

    def __exit__(self, *_: object) -> None:
        wall_s, busy_s, own_s = (now - then for now, then in zip(_clocks(), self._begun, strict=True))
        self._wall_s += wall_s
        self._others_s += busy_s - own_s

    @property
    def cores(self) -> float:
        return max(0.0, self._others_s / self._wall_s)


def _clocks() -> tuple[float, float, float]:
    """Seconds: on the wall, of all processes on all cores, of this process."""
    times = psutil.cpu_times()
    idle = ("idle", "iowait", "guest", "guest_nice")  # a guest's time is in the user's, too
    busy = sum(times) - sum(getattr(times, name, 0.0) for name in idle)
    return time.perf_counter(), busy, time.process_time()


def measure(detector: Detector, images: Sequence[Path], checkpoint: Path, device: str) -> Efficiency:
    """All measurements of one detector, one after the other."""
    watch = Stopwatch(detector, images)
    for _ in range(ROUNDS):
        watch.latency_round()
    watch.throughput()
    return watch.efficiency(checkpoint, device)


def peak_memory_mib() -> float:
    """Peak resident memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / (1 << 10)  # bytes there, KiB here


def peak_gpu_memory_mib(device: str) -> float | None:
    """Peak memory that torch has allocated on the device; None on a CPU."""
    if not on_gpu(device):
        return None
    import torch

    return float(torch.cuda.max_memory_allocated(device)) / (1 << 20)


def folder_bytes(folder: Path) -> int:
    """Total size of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
