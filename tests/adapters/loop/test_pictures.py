"""Pictures at the network's size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.adapters.loop import pictures


@pytest.mark.parametrize(
    ("size_wh", "long_side", "expected"),
    [
        ((100, 50), 64, (64, 32)),
        ((50, 100), 64, (32, 64)),
        ((30, 20), 60, (60, 40)),
        ((1000, 1), 100, (100, 1)),
        ((64, 64), 64, (64, 64)),
    ],
)
def test_the_long_side_is_matched(
    size_wh: tuple[int, int], long_side: int, expected: tuple[int, int]
) -> None:
    assert pictures.fitted(size_wh, long_side) == expected


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK"])
def test_every_mode_comes_as_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("picture.tif" if mode == "CMYK" else "picture.png")
    Image.new("RGB", (40, 20), (200, 200, 200)).convert(mode).save(path)
    pixels, size_wh = pictures.read(path, 10)
    assert pixels.shape == (5, 10, 3)
    assert pixels.dtype == np.uint8
    assert size_wh == (40, 20)


def test_a_large_jpeg_tells_its_own_size_and_looks_the_same(tmp_path: Path) -> None:
    """JPEG is decoded at a fraction of its size where that is enough."""
    ramp = np.tile(np.linspace(0, 255, 1200).astype(np.uint8), (800, 1))
    picture = Image.fromarray(ramp).convert("RGB")
    picture.save(tmp_path / "ramp.jpg", quality=95)
    picture.save(tmp_path / "ramp.png")
    quick, size_wh = pictures.read(tmp_path / "ramp.jpg", 120)
    exact, _ = pictures.read(tmp_path / "ramp.png", 120)
    assert size_wh == (1200, 800)
    assert np.abs(quick.astype(int) - exact.astype(int)).max() <= 4
