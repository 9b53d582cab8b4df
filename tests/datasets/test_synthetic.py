"""Scenes are the same everywhere, have their long tail, and boxes fit what is drawn."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets.dataset import Source
from bench.datasets.sources import scenes, synthetic


def _read(folder: Path, **options: int) -> Source:
    return synthetic.read(DataConfig(source="synthetic", synthetic=SyntheticConfig(**options)), folder)


def test_the_bytes_are_pinned(tmp_path: Path) -> None:
    """They must not depend on the machine, on numpy or on Pillow. Change DRAWING when this changes."""
    source = _read(tmp_path, images=12, size=64, seed=3)
    digest = hashlib.sha256()
    for path in source.dataset.images.paths:
        digest.update(Path(path).read_bytes())
    digest.update(source.dataset.boxes.xyxy.astype("<f8").tobytes())
    assert (synthetic.DRAWING, digest.hexdigest()) == (
        1,
        "ca297d48bcb081a376922dcdaceb448b561b07a2542f9d8862c321d82d3f95a3",
    )


def test_a_png_holds_exactly_the_pixels() -> None:
    pixels = scenes.draw(0, 0, 200).pixels  # more than one stored block
    with Image.open(io.BytesIO(scenes.png(pixels))) as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), pixels)


def test_seed_and_number_make_the_scene() -> None:
    def same(one: scenes.DrawnImage, other: scenes.DrawnImage) -> bool:
        return np.array_equal(one.pixels, other.pixels)

    assert same(scenes.draw(1, 5, 64), scenes.draw(1, 5, 64))
    assert not same(scenes.draw(1, 5, 64), scenes.draw(2, 5, 64))
    assert not same(scenes.draw(1, 5, 64), scenes.draw(1, 6, 64))


def test_classes_have_a_long_tail_and_some_pictures_are_empty() -> None:
    drawn = [scenes.draw(0, index, 48) for index in range(600)]
    counts = np.bincount(np.concatenate([scene.labels for scene in drawn]), minlength=len(scenes.SHAPES))
    shares = counts / counts.sum()
    np.testing.assert_allclose(
        shares, [shape_class.per_mille / 1000 for shape_class in scenes.SHAPES], atol=0.04
    )
    assert list(counts) == sorted(counts, reverse=True)
    assert 0.04 < np.mean([len(scene.labels) == 0 for scene in drawn]) < 0.10


def test_objects_are_small_and_large_and_inside() -> None:
    boxes = np.concatenate([scenes.draw(0, index, 96).boxes_xyxy for index in range(200)])
    assert boxes.min() >= 0
    assert boxes.max() <= 96
    longer = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    assert longer.min() < 0.2 * 96
    assert longer.max() > 0.5 * 96


@pytest.mark.parametrize("shape_class", scenes.SHAPES, ids=lambda shape_class: shape_class.name)
def test_a_box_is_tight_around_its_shape(shape_class: scenes.ShapeClass) -> None:
    """Every edge of the box has a painted pixel, and nothing is painted beyond it."""
    pixels = np.zeros((40, 40, 3), dtype=np.uint8)
    scenes._paint(pixels, (5, 8, 30, 33), shape_class.shape, [255, 255, 255])
    rows, columns = np.nonzero(pixels[:, :, 0])
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (5, 8, 30, 33)


def test_a_second_reading_draws_nothing_anew(tmp_path: Path) -> None:
    first = _read(tmp_path, images=12, size=32)
    path = Path(first.dataset.images.paths[0])
    before = path.stat().st_mtime_ns
    second = _read(tmp_path, images=12, size=32)
    assert path.stat().st_mtime_ns == before
    np.testing.assert_array_equal(first.dataset.boxes.xyxy, second.dataset.boxes.xyxy)
    other = _read(tmp_path, images=12, size=32, seed=1)
    assert Path(other.dataset.images.paths[0]).parent != path.parent
    assert not list(tmp_path.glob(".*"))


def test_nothing_half_drawn_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def breaking(pixels: scenes.Pixels) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return b""

    monkeypatch.setattr(scenes, "png", breaking)
    with pytest.raises(KeyboardInterrupt):
        _read(tmp_path, images=12, size=32)
    assert list(tmp_path.iterdir()) == []
