"""From image files to detections, for every model that the loop trains."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from bench.adapters.loop import feed, images
from bench.adapters.loop.trainable import Batch, RawDetections, Target, Trainable
from bench.boxes import clip
from bench.detector import Detections
from bench.recipe import InputSize


def predict(
    trainable: Trainable, paths: Sequence[Path], *, size: InputSize, batch_size: int, device: str
) -> Iterator[Detections]:
    """One Detections per image, in order; `size` is the network's input size."""
    for start in range(0, len(paths), batch_size):
        batch = load(paths[start : start + batch_size], size).to(device)
        trainable.eval()
        with torch.inference_mode():
            found = trainable.detect(batch)
        yield from to_original_pixels(found, batch)


def to_original_pixels(found: Sequence[RawDetections], batch: Batch) -> list[Detections]:
    """The same detections in pixels of the images on disk, clipped to them."""
    return [
        _in_original(one, size_wh, original_wh)
        for one, size_wh, original_wh in zip(found, batch.sizes_wh, batch.original_wh, strict=True)
    ]


def _in_original(found: RawDetections, size_wh: tuple[int, int], original_wh: tuple[int, int]) -> Detections:
    scale = np.array(original_wh * 2, dtype=np.float64) / np.array(size_wh * 2, dtype=np.float64)
    boxes = clip(found.boxes_xyxy.double().cpu().numpy() * scale, np.array(original_wh, dtype=np.float64))
    return Detections.best(boxes, found.scores.double().cpu().numpy(), found.labels.cpu().numpy())


def load(paths: Sequence[Path], size: InputSize) -> Batch:
    """One batch, without targets."""
    nothing = Target(torch.zeros((0, 4)), torch.zeros(0, dtype=torch.int64))
    loaded = [feed.LoadedImage(*images.read(path, size), nothing) for path in paths]
    return feed.collate(loaded)
