"""Pictures at the network's size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from bench.adapters.loop import images
from bench.recipe import InputSize, Recipe


@pytest.mark.parametrize(
    ("size_wh", "setting", "expected"),
    [
        ((100, 50), 64, (64, 32)),
        ((50, 100), 64, (32, 64)),
        ((30, 20), 60, (60, 40)),
        ((1000, 1), 100, (100, 1)),
        ((64, 64), 64, (64, 64)),
        ((640, 480), "800x1333", (1067, 800)),  # what DETR's and torchvision's examples print
        ((480, 640), "800x1333", (800, 1067)),
        ((1500, 500), "800x1333", (1333, 444)),
        ((640, 480), "800x800", (800, 600)),
        ((480, 640), "1000x1000", (750, 1000)),
    ],
)
def test_both_limits_are_kept_and_one_is_met(
    size_wh: tuple[int, int], setting: int | str, expected: tuple[int, int]
) -> None:
    assert InputSize.of(setting).fit(size_wh) == expected


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        (16, "under 32"),
        ("20x640", "under 32"),
        ("1333x800", "write 800x1333"),
        ("big", "800x1333"),
        ("800 x 1333", "800x1333"),
        ("800x", "800x1333"),
        (-5, "800x1333"),
    ],
)
def test_a_size_that_is_none_is_told(setting: int | str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Recipe(image_size=setting)


def test_a_size_is_a_number_or_two() -> None:
    for said, kept, size in (
        (640, 640, (640, 640)),
        ("640", 640, (640, 640)),
        ("800x1333", "800x1333", (800, 1333)),
    ):
        recipe = Recipe(image_size=said)
        assert recipe.image_size == kept
        assert (recipe.input_size.short, recipe.input_size.long) == size
        assert recipe.long_side == size[1]
        assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe().long_side is None


def test_a_window_is_cut_out_before_it_is_fitted(tmp_path: Path) -> None:
    """Of a JPEG too, which is decoded small."""
    pixels = np.zeros((400, 800, 3), dtype=np.uint8)
    pixels[100:200, 400:600] = 255
    for name in ("picture.png", "picture.jpg"):
        Image.fromarray(pixels).save(tmp_path / name, quality=95)
        cut, size_wh = images.read(tmp_path / name, InputSize(40, 40), (400.0, 100.0, 600.0, 200.0))
        assert cut.shape == (20, 40, 3)
        assert size_wh == (800, 400)
        assert cut[1:-1, 1:-1].min() > 240
        assert cut.min() > 128  # the filter looks a little over the edge
        around, _ = images.read(tmp_path / name, InputSize(40, 40), (200.0, 0.0, 800.0, 300.0))
        assert around.shape == (20, 40, 3)
        assert around[8:13, 15:26].min() > 240
        assert max(around[:5].max(), around[:, :12].max(), around[:, 29:].max()) < 15


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK"])
def test_every_mode_comes_as_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    Image.new("RGB", (40, 20), (200, 200, 200)).convert(mode).save(path)
    pixels, size_wh = images.read(path, InputSize(10, 10))
    assert pixels.shape == (5, 10, 3)
    assert pixels.dtype == np.uint8
    assert size_wh == (40, 20)


def test_a_large_jpeg_tells_its_own_size_and_looks_the_same(tmp_path: Path) -> None:
    """JPEG is decoded at a fraction of its size where that is enough."""
    ramp = np.tile(np.linspace(0, 255, 1200).astype(np.uint8), (800, 1))
    image = Image.fromarray(ramp).convert("RGB")
    image.save(tmp_path / "ramp.jpg", quality=95)
    image.save(tmp_path / "ramp.png")
    quick, size_wh = images.read(tmp_path / "ramp.jpg", InputSize(120, 120))
    exact, _ = images.read(tmp_path / "ramp.png", InputSize(120, 120))
    assert size_wh == (1200, 800)
    assert np.abs(quick.astype(int) - exact.astype(int)).max() <= 4
