"""Batches: which pictures, how flipped and scaled, and that boxes follow."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.errors import RecipeError
from bench.layout import Example
from bench.recipe import InputSize, Recipe

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


def _recipe(**settings: Any) -> Recipe:
    return Recipe.model_validate({"batch_size": 3, "image_size": 80, **settings})


def test_boxes_follow_the_pixels_and_crowds_are_left_out(tmp_path: Path) -> None:
    from bench.adapters.loop.feed import ImageDataset, ImageRequest

    shown = ImageDataset(_examples(tmp_path), keep_at=None)
    for flip, expected in ((False, [8, 10, 28, 30]), (True, [52, 10, 72, 30])):
        loaded = shown[ImageRequest(0, InputSize(80, 80), flip)]
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
    from bench.adapters.loop.feed import EpochSampler

    for share, low, high in ((0.0, 0, 0), (0.5, 400, 600), (1.0, 1000, 1000)):
        orders = [order for batch in EpochSampler(1000, _recipe(flip=share), 0) for order in batch]
        assert low <= sum(order.flip for order in orders) <= high


def test_multi_scale_gives_each_batch_a_size_of_its_own() -> None:
    from bench.adapters.loop.feed import EpochSampler

    batches = list(EpochSampler(300, _recipe(multi_scale=0.25), 0))
    sides = [{order.size.long for order in batch} for batch in batches]
    assert all(len(side) == 1 for side in sides)
    spread = {side.pop() for side in sides}
    assert min(spread) >= 60
    assert max(spread) <= 100
    assert len(spread) > 20


def test_small_data_is_decoded_once_and_large_data_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.adapters.loop import feed

    read = feed.images.read
    count = 0

    def counting(path: Path, size: InputSize | None = None) -> Any:
        nonlocal count
        count += 1
        return read(path, size)

    monkeypatch.setattr(feed.images, "read", counting)
    examples = _examples(tmp_path)
    for decoded, limit in ((7, 2**20), (14, 100)):
        monkeypatch.setattr(feed, "CACHE_BYTES", limit)
        count = 0
        loader = feed.validation(examples, _recipe(), "cpu")
        first, second = list(loader), list(loader)
        assert count == decoded
        assert all((a.pixels == b.pixels).all() for a, b in zip(first, second, strict=True))


def test_a_batch_is_padded_to_its_largest_at_the_right_and_below(tmp_path: Path) -> None:
    from bench.adapters.loop.feed import ImageDataset, ImageRequest, collate

    wide, *_ = _examples(tmp_path)
    Image.new("RGB", (20, 40), (255, 255, 255)).save(tmp_path / "tall.png")
    tall = dataclasses.replace(wide, path=tmp_path / "tall.png", size_wh=(20, 40))
    shown = ImageDataset([wide, tall], keep_at=None)
    size = InputSize(40, 40)
    batch = collate([shown[ImageRequest(0, size, False)], shown[ImageRequest(1, size, False)]])
    assert batch.pixels.shape == (2, 3, 40, 40)
    assert batch.sizes_wh == ((40, 20), (20, 40))
    assert batch.pixels[1, :, :, :20].min() == 255
    assert batch.pixels[1, :, :, 20:].max() == 0
    assert [tuple(image.shape) for image in batch.images()] == [(3, 20, 40), (3, 40, 20)]


def test_a_batch_larger_than_the_split_is_refused(tmp_path: Path) -> None:
    from bench.adapters.loop import feed

    examples = _examples(tmp_path)
    assert len(list(feed.training(examples, _recipe(batch_size=7), 0, "cpu")[0])) == 1
    with pytest.raises(RecipeError, match=r"(?s)train split has 7 images.*found: 8.*make it 7"):
        feed.training(examples, _recipe(batch_size=8), 0, "cpu")


def test_paper_orders_depend_on_seed_and_epoch_alone_and_leave_the_others_as_they_were() -> None:
    from bench.adapters.loop.feed import EpochSampler

    def orders(epoch: int, seed: int = 0, augment: Any = "paper") -> list[Any]:
        epochs = EpochSampler(50, _recipe(image_size="160x240"), seed, augment)
        epochs.epoch = epoch
        return [order for batch in epochs for order in batch]

    assert orders(2) == orders(2)
    assert orders(2) != orders(3)
    assert orders(2) != orders(2, seed=1)
    plain = orders(2, augment="none")
    assert [(o.index, o.flip) for o in orders(2)] == [(o.index, o.flip) for o in plain]
    assert {o.size for o in plain} == {InputSize(160, 240)}
    assert {o.crop for o in plain} == {None}
    many = [order for epoch in range(20) for order in orders(epoch)]
    assert {order.size.long for order in many} == {240}
    assert {order.size.short for order in many} == {round(side / 5) for side in range(480, 801, 32)}
    assert 0.4 < sum(order.crop is not None for order in many) / len(many) < 0.6


def test_boxes_stay_on_their_pixels_through_the_papers_augmentation(tmp_path: Path) -> None:
    """Every box covers its own colour and nothing else; what a crop leaves out is gone."""
    from bench.adapters.loop.feed import EpochSampler, ImageDataset

    pixels = np.zeros((90, 140, 3), dtype=np.uint8)
    boxes = np.array([[10.0, 10, 50, 40], [70, 20, 130, 80], [20, 60, 34, 84], [0, 0, 140, 90]])
    for channel, (x1, y1, x2, y2) in enumerate(boxes[:3].astype(int)):
        pixels[y1:y2, x1:x2, channel] = 255
    Image.fromarray(pixels).save(tmp_path / "scene.png")
    example = Example(
        image_id=1,
        path=tmp_path / "scene.png",
        size_wh=(140, 90),
        boxes_xyxy=boxes,
        labels=np.array([0, 1, 2, 0]),
        crowd=np.array([False, False, False, True]),
    )
    shown = ImageDataset([example], keep_at=None)
    epochs = EpochSampler(1, _recipe(image_size="200x300", batch_size=1), 0, "paper")
    kept = 0
    for epoch in range(60):
        epochs.epoch = epoch
        ((order,),) = epochs
        loaded = shown[order]
        height, width, _ = loaded.pixels.shape
        assert max(width, height) <= 300
        assert min(width, height) <= order.size.short
        kept += len(loaded.target.labels)
        found = np.zeros((3, 4))
        for box, label in zip(loaded.target.boxes_xyxy.numpy(), loaded.target.labels.tolist(), strict=True):
            found[label] = box
            assert (box[2:] > box[:2]).all()
            assert (box >= 0).all()
            assert (box <= [width, height, width, height]).all()
        for label in range(3):
            x1, y1, x2, y2 = found[label]
            own = loaded.pixels[..., label]
            inner = own[int(y1) + 3 : max(0, int(y2) - 2), int(x1) + 3 : max(0, int(x2) - 2)]
            assert inner.min(initial=255) > 250
            outer = own.copy()
            outer[max(0, int(y1) - 2) : int(np.ceil(y2)) + 2, max(0, int(x1) - 2) : int(np.ceil(x2)) + 2] = 0
            assert outer.max() < 128  # half of a neighbour's pixel may shine in
    assert 60 < kept < 180  # some were cut away
