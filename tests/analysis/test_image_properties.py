"""Properties of drawn images and placed boxes, counted by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from bench.analysis import crowding, object_counts, read_image_properties, write_image_properties
from bench.analysis.image_properties import brightness_and_sharpness
from bench.errors import RunError
from bench.evaluation import load_ground_truth
from bench.layout import Example


def example(image_id: int, path: Path) -> Example:
    return Example(image_id, path, (64, 64), np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, np.bool_))


def test_objects_and_crowding(tmp_path: Path) -> None:
    """Two that overlap by a third beside one alone; one alone; a crowd over an object; nothing."""
    boxes = [(1, (0, 0, 10, 10), 0), (1, (5, 0, 10, 10), 0), (1, (50, 50, 9, 9), 0), (2, (0, 0, 5, 5), 0)]
    boxes += [(3, (0, 0, 5, 5), 0), (3, (0, 0, 90, 90), 1)]
    truth = {
        "images": [{"id": n} for n in (1, 2, 3, 4)],
        "categories": [{"id": 1, "name": "a"}],
        "annotations": [
            {"id": n + 1, "image_id": i, "category_id": 1, "bbox": b, "area": b[2] * b[3], "iscrowd": crowd}
            for n, (i, b, crowd) in enumerate(boxes)
        ],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    loaded = load_ground_truth(tmp_path / "truth.json")
    assert object_counts(loaded).tolist() == [3, 1, 1, 0]
    np.testing.assert_allclose(crowding(loaded), [2 / 9, 0, 0, np.nan])


def test_brightness_is_the_mean_grey_and_sharpness_falls_with_blur(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    pictures = {
        "white": Image.new("RGB", (64, 48), "white"),
        "green": Image.new("RGB", (64, 48), (0, 255, 0)),
        "noise": noise,
        "blurred": noise.filter(ImageFilter.GaussianBlur(2)),
    }
    found = {}
    for name, image in pictures.items():
        image.save(tmp_path / f"{name}.png")
        found[name] = brightness_and_sharpness(tmp_path / f"{name}.png")
    assert found["white"] == (1.0, 0.0)
    assert found["green"][0] == pytest.approx(0.587, abs=0.003)
    assert found["blurred"][1] < found["noise"][1] / 20
    assert found["blurred"][0] == pytest.approx(found["noise"][0], abs=0.01)


def test_a_large_image_is_measured_at_the_size_that_detectors_see(tmp_path: Path) -> None:
    """Fine stripes of a large image average out, in a JPEG as in a PNG."""
    stripes = np.zeros((1600, 1600), dtype=np.uint8)
    stripes[::2] = 255
    for name in ("large.png", "large.jpg"):
        Image.fromarray(stripes).save(tmp_path / name)
        brightness, sharpness = brightness_and_sharpness(tmp_path / name)
        assert brightness == pytest.approx(0.5, abs=0.02) and sharpness < 0.1
    Image.fromarray(stripes[:600, :600]).save(tmp_path / "small.png")
    assert brightness_and_sharpness(tmp_path / "small.png")[1] > 1


def test_properties_come_back_in_the_order_that_is_asked_for(tmp_path: Path) -> None:
    for name, value in (("dark", 0), ("bright", 255)):
        Image.new("L", (16, 16), value).save(tmp_path / f"{name}.png")
    path = tmp_path / "test_images.csv"
    write_image_properties(path, [example(7, tmp_path / "dark.png"), example(3, tmp_path / "bright.png")])
    found = read_image_properties(path, np.array([3, 5, 7]))
    np.testing.assert_array_equal(found["brightness"], [1, np.nan, 0])
    assert set(found) == {"brightness", "sharpness"}


def test_no_file_is_no_property_and_a_damaged_one_an_error(tmp_path: Path) -> None:
    assert read_image_properties(tmp_path / "none.csv", np.array([1])) == {}
    (tmp_path / "torn.csv").write_text("image_id,brightness\n1,0.5\n")
    with pytest.raises(RunError, match="torn"):
        read_image_properties(tmp_path / "torn.csv", np.array([1]))
