"""The cost of a checkpoint: latency, throughput, memory.

Times are from the image file to its final detections: decoding, resizing, network, post-processing.
    Detections
are numpy arrays, so a GPU has finished when they arrive.
"""

import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.detector import Detector
from bench.devices import on_gpu

WARM_UP = 3
"""Untimed images at the start: the first ones pay for allocations and kernel selection."""
TIMED_IMAGES = 50
TIMED_S = 20.0
"""Limit for either measurement: a large model on a laptop is timed on fewer images."""
THROUGHPUT_BATCH = 8
ROUND = 5
"""Images in a round: ten rounds show how steady the machine was."""


@dataclass(frozen=True)
class Latency:
    """Of one image at a time, milliseconds."""

    median: float
    p95: float
    rounds: tuple[float, ...]
    """Medians of ROUND consecutive images each, in the order of timing."""
    images: int


def latency_ms(detector: Detector, images: Sequence[Path]) -> Latency:
    """Timed on at most TIMED_IMAGES, for at most TIMED_S."""
    for _ in detector.predict(list(images[:WARM_UP]), batch_size=1):
        pass
    spans: list[float] = []
    begun = last = time.perf_counter()
    for _ in detector.predict(list(images[:TIMED_IMAGES]), batch_size=1):
        now = time.perf_counter()
        spans.append((now - last) * 1000)
        last = now
        if now - begun > TIMED_S:
            break
    rounds = [spans[start : start + ROUND] for start in range(0, len(spans) - ROUND + 1, ROUND)]
    ordered = sorted(spans)
    return Latency(
        median=statistics.median(ordered),
        p95=ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        rounds=tuple(statistics.median(of_round) for of_round in rounds),
        images=len(ordered),
    )


def images_per_s(detector: Detector, images: Sequence[Path]) -> float:
    """Images per second in batches of THROUGHPUT_BATCH; the images are repeated where there are few."""
    wanted = TIMED_IMAGES + -TIMED_IMAGES % THROUGHPUT_BATCH
    many = [images[index % len(images)] for index in range(wanted)]
    begun = time.perf_counter()
    done = 0
    for _ in detector.predict(many, batch_size=THROUGHPUT_BATCH):
        done += 1
        if time.perf_counter() - begun > TIMED_S and done % THROUGHPUT_BATCH == 0:
            break
    return done / (time.perf_counter() - begun)


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
