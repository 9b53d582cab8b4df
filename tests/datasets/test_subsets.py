"""Shares of the train split: nested, stratified, whole groups, and layouts that every framework can read."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.data_config import DataConfig
from bench.datasets.prepare import prepare
from bench.datasets.subsets import first_images, share_of_train
from bench.errors import DataError
from bench.layout import Layout


def coco_of(labels: list[set[int]], groups: list[int]) -> dict[str, Any]:
    """A COCO json with these classes in its images; images of a group share a stem."""
    return {
        "categories": [{"id": number + 1, "name": str(number)} for number in range(4)],
        "images": [
            {"id": row + 1, "file_name": f"{group}_jpg.rf.{row:08x}.jpg"} for row, group in enumerate(groups)
        ],
        "annotations": [
            {"image_id": row + 1, "category_id": label + 1}
            for row, found in enumerate(labels)
            for label in found
        ],
    }


images = st.lists(st.tuples(st.sets(st.integers(0, 3)), st.integers(0, 25)), min_size=1, max_size=60)


@settings(max_examples=60)
@given(images, st.integers(0, 3))
def test_shares_are_nested_and_never_cut_a_group(drawn: list[tuple[set[int], int]], seed: int) -> None:
    groups = [group for _, group in drawn]
    coco = coco_of([labels for labels, _ in drawn], groups)
    shares = [first_images(coco, "roboflow", percent, seed) for percent in (5, 10, 25, 50, 99)]
    for smaller, larger in pairwise(shares):
        assert smaller <= larger
    largest = max(groups.count(group) for group in groups)
    for percent, taken in zip((5, 10, 25, 50, 99), shares, strict=True):
        wanted = max(1, round(len(groups) * percent / 100))
        assert wanted <= len(taken) < wanted + largest
        inside = {groups[image_id - 1] for image_id in taken}
        assert taken == {row + 1 for row, group in enumerate(groups) if group in inside}


def test_shares_are_stratified_and_seeds_differ() -> None:
    dice = np.random.default_rng(0)
    labels = [set(np.flatnonzero(dice.random(4) < (0.5, 0.2, 0.1, 0.02)).tolist()) for _ in range(600)]
    coco = coco_of(labels, list(range(600)))
    whole = np.array([[label in found for label in range(4)] for found in labels])
    for percent in (10, 25, 50):
        taken = [image_id - 1 for image_id in first_images(coco, "roboflow", percent, 0)]
        assert np.abs(whole[taken].mean(axis=0) - whole.mean(axis=0)).max() < 0.02
        assert whole[taken].any(axis=0).all()
    assert first_images(coco, "roboflow", 25, 0) != first_images(coco, "roboflow", 25, 1)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    cache = tmp_path_factory.mktemp("cache")
    return prepare(DataConfig.model_validate({"source": "synthetic", "synthetic": {"images": 60}}), cache)


def test_a_share_is_a_layout_with_the_same_val_and_test(layout: Layout) -> None:
    share = share_of_train(layout, 25, seed=3)
    assert share.root.name == f"{layout.root.name}-share25-seed3"
    assert share.classes == layout.classes
    whole = {example.image_id: example for example in layout.examples("train")}
    taken = share.examples("train")
    assert len(taken) == round(len(whole) / 4)
    for example in taken:
        other = whole[example.image_id]
        assert example.path.read_bytes() == other.path.read_bytes()
        assert np.array_equal(example.boxes_xyxy, other.boxes_xyxy)
        assert np.array_equal(example.labels, other.labels)
    for split in ("val", "test"):
        assert json.loads(share.coco_path(split).read_text()) == json.loads(
            layout.coco_path(split).read_text()
        )
        for example in share.examples(split):
            label = share.labels_dir(split) / f"{example.path.stem}.txt"
            assert label.read_text() == (layout.labels_dir(split) / label.name).read_text()
            assert example.path.is_file()
    assert len(list(share.images_dir("train").iterdir())) == len(taken)


def test_a_share_is_written_once_and_can_be_moved_with_its_layout(layout: Layout, tmp_path: Path) -> None:
    share = share_of_train(layout, 50, seed=0)
    before = share.manifest_path.stat().st_mtime_ns
    assert share_of_train(layout, 50, seed=0).manifest_path.stat().st_mtime_ns == before
    assert not Path(share.examples("train")[0].path.readlink()).is_absolute()


def test_a_share_without_a_box_is_refused(layout: Layout, tmp_path: Path) -> None:
    bare = Layout(tmp_path / "bare", layout.classes)
    bare.coco_path("train").parent.mkdir(parents=True)
    coco = json.loads(layout.coco_path("train").read_text())
    bare.coco_path("train").write_text(json.dumps({**coco, "annotations": []}))
    bare.manifest_path.write_text(layout.manifest_path.read_text())
    with pytest.raises(DataError, match=r"shares: holds no box \(found: '10 % of train: 4 of 42 images'\)"):
        share_of_train(bare, 10, seed=0)
