"""Batches: which pictures, how flipped and scaled, and that boxes follow."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.layout import Example
from bench.recipe import Recipe

pytestmark = pytest.mark.slow  # imports torch


def _examples(folder: Path, count: int = 7) -> list[Example]:
    """Black pictures of 40 x 20; each has a white box of 10 x 10 at x = 4, and a crowd."""
    examples = []
    for number in range(count):
        pixels = np.zeros((20, 40, 3), dtype=np.uint8)
        pixels[5:15, 4:14] = 255
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        examples.append(
            Example(
                image_id=number,
                path=path,
                size_wh=(40, 20),
                boxes_xyxy=np.array([[4.0, 5.0, 14.0, 15.0], [0.0, 0.0, 40.0, 20.0]]),
                labels=np.array([2, 1]),
                crowd=np.array([False, True]),
            )
        )
    return examples


def _recipe(**words: Any) -> Recipe:
    return Recipe.model_validate({"batch_size": 3, "image_size": 80, **words})


def test_boxes_follow_the_pixels_and_crowds_are_left_out(tmp_path: Path) -> None:
    from bench.adapters.loop.feed import Order, Pictures

    shown = Pictures(_examples(tmp_path), keep_at=None)
    for flip, expected in ((False, [8, 10, 28, 30]), (True, [52, 10, 72, 30])):
        loaded = shown[Order(0, 80, flip)]
        assert loaded.pixels.shape == (40, 80, 3)
        assert loaded.target.boxes_xyxy.tolist() == [expected]
        assert loaded.target.labels.tolist() == [2]
        x1, y1, x2, y2 = expected
        assert loaded.pixels[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].min() == 255
        assert loaded.pixels[:, : x1 - 2].max(initial=0) == 0


def test_every_picture_comes_once_an_epoch_in_another_order(tmp_path: Path) -> None:
    from bench.adapters.loop import feed

    _, epochs = feed.training(_examples(tmp_path), _recipe(), 0, "cpu")
    orders = []
    for epoch in (1, 2, 1):
        epochs.epoch = epoch
        orders.append([order.index for batch in epochs for order in batch])
    assert len(epochs) == 3
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert orders[0] == orders[2] != orders[1]


def test_flips_come_as_often_as_asked() -> None:
    from bench.adapters.loop.feed import Epochs

    for share, low, high in ((0.0, 0, 0), (0.5, 400, 600), (1.0, 1000, 1000)):
        orders = [order for batch in Epochs(1000, _recipe(flip=share), 0) for order in batch]
        assert low <= sum(order.flip for order in orders) <= high


def test_multi_scale_gives_each_batch_a_size_of_its_own() -> None:
    from bench.adapters.loop.feed import Epochs

    batches = list(Epochs(300, _recipe(multi_scale=0.25), 0))
    sides = [{order.long_side for order in batch} for batch in batches]
    assert all(len(side) == 1 for side in sides)
    spread = {side.pop() for side in sides}
    assert min(spread) >= 60
    assert max(spread) <= 100
    assert len(spread) > 20


def test_small_data_is_decoded_once_and_large_data_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.adapters.loop import feed

    read = feed.pictures.read
    count = 0

    def counting(path: Path, long_side: int | None = None) -> Any:
        nonlocal count
        count += 1
        return read(path, long_side)

    monkeypatch.setattr(feed.pictures, "read", counting)
    examples = _examples(tmp_path)
    for decoded, limit in ((7, 2**20), (14, 100)):
        monkeypatch.setattr(feed, "CACHE_BYTES", limit)
        count = 0
        loader = feed.validation(examples, _recipe(), "cpu")
        first, second = list(loader), list(loader)
        assert count == decoded
        assert all((a.pixels == b.pixels).all() for a, b in zip(first, second, strict=True))


def test_a_batch_is_padded_to_its_largest_at_the_right_and_below(tmp_path: Path) -> None:
    from bench.adapters.loop.feed import Order, Pictures, collate

    wide, *_ = _examples(tmp_path)
    Image.new("RGB", (20, 40), (255, 255, 255)).save(tmp_path / "tall.png")
    tall = dataclasses.replace(wide, path=tmp_path / "tall.png", size_wh=(20, 40))
    shown = Pictures([wide, tall], keep_at=None)
    batch = collate([shown[Order(0, 40, False)], shown[Order(1, 40, False)]])
    assert batch.pixels.shape == (2, 3, 40, 40)
    assert batch.sizes_wh == ((40, 20), (20, 40))
    assert batch.pixels[1, :, :, :20].min() == 255
    assert batch.pixels[1, :, :, 20:].max() == 0
    assert [tuple(picture.shape) for picture in batch.pictures()] == [(3, 20, 40), (3, 40, 20)]
