"""The shipped check passes our sources, and catches each way in which a plug-in breaks the contract."""

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench import registry
from bench.config import read_config
from bench.conformance import check_source
from bench.data_config import DataConfig
from bench.datasets import prepare
from bench.datasets.dataset import NO_SPLIT, BoxTable, Dataset, Images, Source, SourcePlugin
from bench.errors import ConfigError, DataError
from bench.recipe import Settings


class LinesSettings(Settings):
    """What a format of one line per image, `NAME CLASS LEFT TOP RIGHT BOTTOM`, leaves open."""

    scale: float = 1.0


def read_lines(config: DataConfig, workdir: Any) -> Source:
    scale = LinesSettings.model_validate(config.options).scale
    assert config.path is not None
    table = config.path / "lines.txt"
    if not table.is_file():
        raise DataError("there is no lines.txt", file=config.path)
    rows = [line.split() for line in table.read_text().splitlines()]
    names = [row[0] for row in rows]
    classes = tuple(sorted({row[1] for row in rows}))
    return Source(
        Dataset(
            classes,
            Images.of(
                names, [str(config.path / n) for n in names], [(0, 0)] * len(rows), [NO_SPLIT] * len(rows)
            ),
            BoxTable.of(
                range(len(rows)),
                [classes.index(row[1]) for row in rows],
                [[scale * float(value) for value in row[2:]] for row in rows],
            ),
        ),
        metadata={"format": "lines"},
    )


LINES = SourcePlugin(read_lines, LinesSettings)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(12):
        Image.new("RGB", (40, 30), (number * 9, 0, 0)).save(folder / f"{number}.png")
    lines = [f"{number}.png {'ab'[number % 2]} 1 2 11 12" for number in range(12)]
    (folder / "lines.txt").write_text("\n".join(lines))
    return folder


def test_a_sound_plug_in_passes(data: Path, tmp_path: Path) -> None:
    assert check_source(LINES, data, tmp_path / "work", options={"scale": 2.0}) == []


def test_our_coco_reader_passes(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    Image.new("RGB", (40, 30)).save(folder / "a.png")
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 30}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 1, "name": "it"}],
    }
    (folder / "annotations.json").write_text(json.dumps(coco))
    plugin = SourcePlugin(registry.source("coco"))
    assert check_source(plugin, folder, tmp_path / "work") == []


def altered(change: Callable[[Source], Source]) -> SourcePlugin:
    return replace(LINES, read=lambda config, workdir: change(read_lines(config, workdir)))


def with_boxes(**columns: Any) -> SourcePlugin:
    def change(source: Source) -> Source:
        boxes = replace(source.dataset.boxes, **{k: v(source.dataset.boxes) for k, v in columns.items()})
        return replace(source, dataset=source.dataset.with_boxes(boxes))

    return altered(change)


def with_images(**columns: Any) -> SourcePlugin:
    def change(source: Source) -> Source:
        images = replace(source.dataset.images, **{k: v(source.dataset.images) for k, v in columns.items()})
        return replace(source, dataset=replace(source.dataset, images=images))

    return altered(change)


def unlike_itself(config: DataConfig, workdir: Any) -> Source:
    found = read_lines(config, workdir)
    moved = found.dataset.boxes.xyxy + (1 if Path(workdir).name == "again" else 0)
    return replace(found, dataset=found.dataset.with_boxes(replace(found.dataset.boxes, xyxy=moved)))


def writes(config: DataConfig, workdir: Any) -> Source:
    assert config.path is not None
    found = read_lines(config, workdir)
    (config.path / f"cache-{Path(workdir).name}").write_text("x")
    return found


def crashes(config: DataConfig, workdir: Any) -> Source:
    assert config.path is not None
    if not (config.path / "lines.txt").is_file():
        raise KeyError("lines.txt")
    return read_lines(config, workdir)


@pytest.mark.parametrize(
    ("plugin", "found"),
    [
        (with_boxes(xyxy=lambda b: b.xyxy[:, [2, 3, 0, 1]]), "right or bottom is less than left or top"),
        (with_boxes(xyxy=lambda b: b.xyxy + np.inf), "boxes that are not finite"),
        (with_boxes(label=lambda b: b.label + 1), "boxes of classes that it does not return"),
        (with_boxes(image=lambda b: b.image + 1), "boxes of images that it does not return"),
        (with_boxes(crowd=lambda b: b.crowd[1:]), "box columns of different lengths"),
        (with_images(names=lambda i: i.names[[0] * len(i)]), "one name to several images"),
        (with_images(names=lambda i: "../" + i.names), "a name that is not relative and posix"),
        (with_images(paths=lambda i: i.paths + "x"), "not an absolute one of a file"),
        (with_images(splits=lambda i: i.splits + 9), "a split that is no index"),
        (altered(lambda s: replace(s, normalized=True)), "boxes are fractions, and they are pixels"),
        (altered(lambda s: replace(s, metadata={"a": {1, 2}})), "metadata that are no JSON values"),
        (altered(lambda s: replace(s, dataset=replace(s.dataset, classes=("a", "a")))), "two of one name"),
        (replace(LINES, read=unlike_itself), "something else when it reads the same dataset again"),
        (replace(LINES, read=writes), "changes the dataset's folder"),
        (replace(LINES, read=crashes), "raises KeyError for an empty folder"),
    ],
)
def test_each_departure_is_found(plugin: SourcePlugin, found: str, data: Path, tmp_path: Path) -> None:
    departures = check_source(plugin, data, tmp_path / "work")
    assert len(departures) == 1, departures
    assert found in departures[0]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a distribution had the entry point."""
    point = EntryPoint("lines", f"{__name__}:LINES", registry.SOURCE_GROUP)
    monkeypatch.setattr(EntryPoint, "load", lambda self: LINES)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point] if group == registry.SOURCE_GROUP else []
    )


@pytest.mark.usefixtures("installed")
def test_an_installed_source_is_used_with_its_own_settings(data: Path, tmp_path: Path) -> None:
    tree = {"data": {"source": "lines", "path": str(data), "options": {"scale": 2.0}}, "models": ["fake"]}
    layout = prepare(read_config(tree).data, tmp_path / "cache")
    assert layout.classes == ("a", "b")
    assert layout.examples("train")[0].boxes_xyxy.tolist() == [[2, 4, 22, 24]]


@pytest.mark.usefixtures("installed")
def test_its_settings_are_checked_with_the_config(data: Path) -> None:
    tree = {"data": {"source": "lines", "path": str(data), "options": {"scael": 2.0}}, "models": ["fake"]}
    with pytest.raises(ConfigError, match=r"options\.scael"):
        read_config(tree)
    with pytest.raises(ConfigError, match="source 'coco' has none; they are for plug-ins"):
        read_config({"data": {"source": "coco", "path": str(data), "options": {"a": 1}}, "models": ["fake"]})
    with pytest.raises(ConfigError, match="did you mean 'lines'"):
        read_config({"data": {"source": "line", "path": str(data)}, "models": ["fake"]})
