"""Picture files of every mode: which are linked, what the copies of the others hold, which are set aside."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from bench.datasets import image_files
from bench.datasets.image_cache import ImageCache
from bench.datasets.image_files import inspect, inspect_all, with_common_depth, write_copy
from bench.datasets.pixels import ORIENTATION_TAG, turn_boxes, upright_rgb

SIZE_WH = (40, 24)


def save(image, path, **settings):
    image.save(path, **settings)
    return str(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPG", "a.bmp", "a.webp", "a.tif"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_eight_bit_upright_pictures_are_linked(tmp_path, image, name, mode):
    found = inspect(save(image(SIZE_WH, 1).convert(mode), tmp_path / name))
    assert (found.problem, found.copy_because) == ("", "")
    assert found.size_wh == SIZE_WH
    assert found.suffix == name[1:]
    assert len(found.sha256) == 64


@pytest.mark.parametrize(
    ("mode", "name", "reason"),
    [
        ("1", "a.png", "1-bit"),
        ("P", "a.png", "palette"),
        ("P", "a.gif", "palette"),
        ("LA", "a.png", "alpha"),
        ("RGBA", "a.png", "alpha"),
        ("CMYK", "a.jpg", "CMYK"),
        ("RGB", "a.ppm", "format PPM"),
    ],
)
def test_other_modes_are_copied_as_rgb(tmp_path, image, mode, name, reason):
    original = image(SIZE_WH, 2).convert(mode)
    path = save(original, tmp_path / name)
    found = inspect(path)
    assert (found.problem, found.copy_because, found.suffix) == ("", reason, ".png")
    copy = upright_rgb(path)
    assert (copy.mode, copy.size) == ("RGB", SIZE_WH)
    with Image.open(path) as stored:
        assert (np.asarray(copy) == np.asarray(stored.convert("RGB"))).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_sixteen_bits_are_scaled_and_not_cut(tmp_path, name):
    ramp = np.linspace(0, 65535, SIZE_WH[0] * SIZE_WH[1]).astype(np.uint16).reshape(SIZE_WH[::-1])
    path = save(Image.fromarray(ramp), tmp_path / name)
    assert inspect(path).copy_because == "mode I;16"
    copy = np.asarray(upright_rgb(path))
    assert (copy == np.rint(ramp / 257)[..., None]).all()
    assert (copy.min(), copy.max()) == (0, 255)


def test_sixteen_bit_colour_is_copied(tmp_path):
    cv2 = pytest.importorskip("cv2")
    colours = np.random.default_rng(0).integers(0, 65536, (24, 40, 3), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), colours)
    assert inspect(str(tmp_path / "a.png")).copy_because == "16-bit"
    assert np.abs(np.asarray(upright_rgb(str(tmp_path / "a.png")))[..., ::-1] - colours / 257).max() <= 1


@pytest.mark.parametrize("top", [1.0, 255.0, 4096.0])
def test_floats_are_scaled(tmp_path, top):
    ramp = np.linspace(0, top, 960).astype(np.float32).reshape(24, 40)
    path = save(Image.fromarray(ramp), tmp_path / "a.tif")
    assert inspect(path).copy_because == "mode F"
    copy = np.asarray(upright_rgb(path))
    assert (copy.min(), copy.max()) == (0, 255)
    assert (np.diff(copy[..., 0].ravel().astype(int)) >= 0).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_orientation_turns_size_pixels_and_boxes_alike(tmp_path, orientation, name):
    """A bright patch is where its box is, before and after."""
    box = np.array([[5.0, 3.0, 15.0, 9.0]])
    pixels = np.zeros((24, 40, 3), dtype=np.uint8)
    pixels[3:9, 5:15] = 255
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    path = save(
        Image.fromarray(pixels), tmp_path / name, exif=exif, **({"quality": 95} if "jpg" in name else {})
    )
    found = inspect(path)
    assert found.copy_because == ("turned by EXIF" if orientation != 1 else "")
    assert found.size_wh == ((40, 24) if orientation < 5 else (24, 40))
    copy = upright_rgb(path)
    assert copy.size == found.size_wh
    with Image.open(path) as stored:
        assert (np.asarray(copy) == np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))).all()
    left, top, right, bottom = turn_boxes(box, SIZE_WH, orientation)[0].astype(int)
    bright = np.asarray(copy)[..., 0] > 128
    assert bright[top:bottom, left:right].all()
    assert bright.sum() == (bottom - top) * (right - left)


def test_a_copy_carries_no_orientation_and_no_profile(tmp_path, image):
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    path = save(image(SIZE_WH, 3).convert("CMYK"), tmp_path / "a.jpg", exif=exif, icc_profile=b"not one")
    upright_rgb(path).save(tmp_path / "copy.png")
    with Image.open(tmp_path / "copy.png") as copy:
        assert copy.getexif().get(ORIENTATION_TAG) is None
        assert "icc_profile" not in copy.info
    assert inspect(str(tmp_path / "copy.png")).copy_because == ""


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.bmp", "a.webp", "a.tif"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5, 0.9])
def test_broken_files_are_told(tmp_path, image, name, kept):
    content = io.BytesIO()
    image((200, 150), 4).save(content, format={"jpg": "JPEG", "tif": "TIFF"}.get(name[2:], name[2:]))
    whole = content.getvalue()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * kept)])
    found = inspect(str(tmp_path / name))
    assert found.problem
    assert str(tmp_path) not in found.problem
    assert "BytesIO" not in found.problem
    if kept == 0:
        assert found.problem == "the file is empty"


def test_what_is_no_picture_and_what_is_not_there(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>not found</html>")
    assert inspect(str(tmp_path / "a.jpg")).problem == "is not an image in a known format"
    assert inspect(str(tmp_path / "gone.jpg")).problem == "can't be read: No such file or directory"
    assert inspect(str(tmp_path)).problem == "can't be read: Is a directory"


def test_tiny_pictures_are_set_aside(tmp_path, image):
    """As ultralytics would do, for one of the frameworks only."""
    assert "9x40" in inspect(save(image((9, 40), 0), tmp_path / "a.png")).problem
    assert not inspect(save(image((10, 40), 0), tmp_path / "b.png")).problem


def test_a_jpeg_with_bytes_after_its_end_is_copied(tmp_path, image):
    path = tmp_path / "a.jpg"
    image(SIZE_WH, 5).save(path)
    with path.open("ab") as file:
        file.write(b"\0\0")
    assert inspect(str(path)).copy_because == "bytes after the JPEG's end"


def test_broken_exif_harms_no_picture(tmp_path, image):
    path = save(image(SIZE_WH, 6), tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    (found,) = inspect_all([path])
    assert (found.problem, found.orientation) == ("", 1)


def test_a_wrong_suffix_is_mended(tmp_path, image):
    path = tmp_path / "a.jfif"
    image(SIZE_WH, 7).save(path, format="JPEG")
    assert inspect(str(path)).suffix == ".jpeg"


def test_order_and_progress(tmp_path, image):
    paths = [save(image((20 + n, 30), n), tmp_path / f"{n}.png") for n in range(6)]
    told = []
    found = inspect_all(paths, lambda what, done, total: told.append((done, total)))
    assert [one.size_wh[0] for one in found] == [20, 21, 22, 23, 24, 25]
    assert told == [(n, 6) for n in range(1, 7)]


def test_twelve_bits_in_sixteen_keep_their_brightness(tmp_path):
    ramp = np.linspace(0, 4095, SIZE_WH[0] * SIZE_WH[1]).astype(np.uint16).reshape(SIZE_WH[::-1])
    path = save(Image.fromarray(ramp), tmp_path / "a.png")
    assert inspect(path).depth == 12
    copy = np.asarray(upright_rgb(path))
    assert (copy.min(), copy.max()) == (0, 255)
    assert len(np.unique(copy)) == 256


def test_pictures_of_one_dataset_share_a_depth(tmp_path):
    paths = []
    for number, top in enumerate((900, 4095, 200)):
        paths.append(
            save(Image.fromarray(np.full((24, 40), top, dtype=np.uint16)), tmp_path / f"{number}.png")
        )
    found = inspect_all(paths)
    assert [one.depth for one in found] == [10, 12, 8]
    common = with_common_depth(found)
    assert [one.depth for one in common] == [12, 12, 12]
    assert [
        int(np.asarray(upright_rgb(p, one.depth)).max()) for p, one in zip(paths, common, strict=True)
    ] == [
        56,
        255,
        12,
    ]


def test_sixteen_bit_colour_keeps_its_lower_bits(tmp_path):
    values = np.random.default_rng(0).integers(0, 4096, (24, 40, 3), dtype=np.uint16)
    path = str(tmp_path / "a.png")
    cv2.imwrite(path, values[:, :, ::-1])
    found = inspect(path)
    assert (found.copy_because, found.depth) == ("16-bit", 12)
    assert (np.asarray(upright_rgb(path)) == np.rint(values * (255 / 4095))).all()


def test_a_turned_jpeg_stays_one_of_its_size(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    x, y = np.meshgrid(np.arange(320), np.arange(240))
    noise = np.random.default_rng(0).normal(0, 6, (240, 320))
    pixels = np.clip(np.stack([x / 2, y / 2, (x + y) / 4], axis=2) + noise[..., None], 0, 255).astype(
        np.uint8
    )
    path = save(Image.fromarray(pixels), tmp_path / "a.jpg", exif=exif, quality=90)
    found = inspect(path)
    assert (found.copy_because, found.suffix) == ("turned by EXIF", ".jpg")
    write_copy(found, path, tmp_path / "copy.jpg")
    with Image.open(tmp_path / "copy.jpg") as copy:
        assert copy.getexif().get(ORIENTATION_TAG) is None
        apart = np.abs(np.asarray(copy).astype(int) - np.asarray(upright_rgb(path)).astype(int))
    assert apart.mean() < 2
    assert (tmp_path / "copy.jpg").stat().st_size < 1.5 * (tmp_path / "a.jpg").stat().st_size


def test_bytes_after_the_end_of_a_jpeg_are_cut_off(tmp_path, image):
    path = tmp_path / "a.jpg"
    whole = save(image(SIZE_WH, 6), tmp_path / "b.jpg")
    path.write_bytes(Path(whole).read_bytes() + b"0" * 100)
    write_copy(inspect(str(path)), str(path), tmp_path / "c.jpg")
    assert (tmp_path / "c.jpg").read_bytes() == Path(whole).read_bytes()


def test_content_that_is_known_is_not_decoded_again(tmp_path, image, monkeypatch):
    paths = [save(image((20 + n, 30), n), tmp_path / f"{n}.png") for n in range(3)]
    first = inspect_all(paths, cache=ImageCache(tmp_path / "images"))
    monkeypatch.setattr(image_files, "_decode", lambda *_: 1 / 0)
    (tmp_path / "0.png").rename(tmp_path / "moved.webp")
    again = inspect_all([str(tmp_path / "moved.webp"), *paths[1:]], cache=ImageCache(tmp_path / "images"))
    assert again[1:] == first[1:]
    assert (again[0].sha256, again[0].suffix) == (first[0].sha256, ".webp")
