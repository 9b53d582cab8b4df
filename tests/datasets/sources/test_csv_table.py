"""A csv of boxes."""

import pytest

from bench.data_config import DataConfig
from bench.datasets import prepare, propose_config
from bench.datasets.dataset import NO_SPLIT
from bench.datasets.reading import read_sound
from bench.errors import DataError

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax"


@pytest.fixture
def table(tmp_path, image):
    """Writes a csv beside 12 pictures, gives the config to read it."""
    root = tmp_path / "csv"
    (root / "images").mkdir(parents=True)
    for number in range(12):
        image((64, 48), number).save(root / f"images/{number:03d}.png")

    def write(header=HEADER, row="{n:03d}.png,64,48,{c},4,5,24,15", extra="", **more):
        lines = [row.format(n=n, c="cat" if n % 2 else "dog") for n in range(12)]
        (root / "boxes.csv").write_text("\n".join([header, *lines, *([extra] if extra else [])]) + "\n")
        return DataConfig.model_validate({"source": "csv", "path": root, **more})

    return write


def test_corners(table, tmp_path):
    config = table()
    source = read_sound(config, tmp_path)
    assert source.dataset.classes == ("cat", "dog")
    assert source.dataset.boxes.xyxy.tolist() == [[4, 5, 24, 15]] * 12
    assert source.dataset.boxes.record[:2].tolist() == [2, 3]
    assert source.dataset.images.names[0] == "images/000.png"
    assert set(source.dataset.images.splits) == {NO_SPLIT}
    assert "source: csv" in propose_config(config.path)
    assert prepare(config, tmp_path / "cache").classes == ("cat", "dog")


def test_corner_and_size_splits_and_background(table, tmp_path):
    config = table("image,label,x,y,w,h,split", "images/{n:03d}.png,{c},4,5,20,10,train")
    source = read_sound(config, tmp_path)
    assert source.dataset.boxes.xyxy.tolist() == [[4, 5, 24, 15]] * 12
    assert source.dataset.images.splits.tolist() == [0] * 12
    config = table(extra="000.png,64,48,,,,,")
    assert len(read_sound(config, tmp_path).dataset.boxes) == 12


def test_columns_of_other_names(table, tmp_path):
    config = table("datei,art,l,o,r,u", "{n:03d}.png,{c},4,5,24,15")
    with pytest.raises(DataError, match="has no column for image, label"):
        read_sound(config, tmp_path)
    columns = {"image": "datei", "label": "art", "left": "l", "top": "o", "right": "r", "bottom": "u"}
    config = table("datei,art,l,o,r,u", "{n:03d}.png,{c},4,5,24,15", csv=columns)
    assert len(read_sound(config, tmp_path).dataset.boxes) == 12
    config = table(csv={"image": "nothing"})
    with pytest.raises(DataError, match=r"no such column \(found: 'nothing'\)"):
        read_sound(config, tmp_path)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("000.png,64,48,cat,4,5,x,15", "line 14: the box should be 4 finite numbers"),
        ("000.png,64,48,cat,4,5,inf,15", "4 finite numbers"),
        ("000.png,64,48,,4,5,24,15", "line 14: has no class"),
        ("../000.png,64,48,cat,4,5,24,15", "leads out"),
    ],
)
def test_bad_rows_are_named(table, tmp_path, extra, expected):
    with pytest.raises(DataError, match=expected):
        read_sound(table(extra=extra), tmp_path)


def test_missing_pictures(table, tmp_path):
    source = read_sound(table(extra="gone.png,64,48,cat,4,5,24,15"), tmp_path)
    assert (len(source.dataset.images), len(source.missing.images), len(source.missing.boxes)) == (12, 1, 1)
    assert [repair.kind for repair in source.repairs] == ["no_file"]
