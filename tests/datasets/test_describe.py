"""The class distribution."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from bench.datasets import prepare
from bench.datasets.describe import ClassCounts, Distribution, SplitCounts, describe, draw, figure
from bench.errors import ConfigError


@pytest.fixture
def distribution(coco, tmp_path):
    coco.categories[0]["name"] = "$cat_1$ & <dög>"
    coco.annotations[0]["iscrowd"] = 1
    coco.write()
    return describe(prepare(coco.config(), tmp_path / "cache"))


def test_counts_shares_and_weights(distribution):
    assert sum(row.boxes for row in distribution.classes) == 39, "the crowd is left out"
    assert [(row.split, row.images) for row in distribution.splits] == [
        ("train", 14),
        ("val", 3),
        ("test", 3),
    ]
    for split in distribution.splits:
        rows = distribution.of(split.split)
        assert sum(row.boxes for row in rows) == split.boxes
        assert sum(row.share for row in rows) == pytest.approx(1)
        known = [row for row in rows if row.boxes]
        assert np.mean([row.weight for row in known]) == pytest.approx(1)
        for row in known:
            assert row.inverse_density == pytest.approx(1 / row.share)
            assert row.weight / known[0].weight == pytest.approx(known[0].boxes / row.boxes)


def test_a_class_without_boxes_has_no_weight(coco, tmp_path):
    coco.categories.append({"id": 11, "name": "gnu"})
    coco.write()
    rows = describe(prepare(coco.config(), tmp_path / "cache")).of("train")
    assert (rows[-1].name, rows[-1].boxes, rows[-1].share) == ("gnu", 0, 0.0)
    assert rows[-1].weight is None
    assert rows[-1].inverse_density is None


def test_another_suffix_is_refused(distribution, tmp_path):
    with pytest.raises(ConfigError, match=r"use \.svg"):
        draw(distribution, tmp_path / "a.docx")
    assert not (tmp_path / "a.docx").exists()


def test_the_figure_shows_each_share_in_percent():
    def rows(split, *boxes):
        shares = [count / sum(boxes) for count in boxes]
        return [
            ClassCounts(split, name, count, 1, share, None, None)
            for name, count, share in zip(("few", "$many$"), boxes, shares, strict=True)
        ]

    splits = tuple(
        SplitCounts(split, 9, 0, boxes) for split, boxes in (("train", 1000), ("val", 5), ("test", 4))
    )
    classes = (*rows("train", 100, 900), *rows("val", 1, 4), *rows("test", 3, 1))
    drawn = figure(Distribution(splits, classes))
    (axes,) = drawn.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [r"\$many\$", "few"]
    widths = [[bar.get_width() for bar in container] for container in axes.containers]
    assert widths == [pytest.approx([90, 10]), pytest.approx([80, 20]), pytest.approx([25, 75])]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "val", "test"]
    colours = [handle.get_facecolor() for handle in axes.get_legend().legend_handles]
    assert colours == [container[0].get_facecolor() for container in axes.containers]
    assert axes.get_xlabel() == "share of the split's boxes, %" and axes.get_ylabel() == ""
    assert axes.get_title() == "Classes by split (train 1,000 boxes, val 5 boxes, test 4 boxes)"
    top, bottom = axes.transData.transform([(0, 0), (0, 1)])[:, 1]
    assert top > bottom, "the most frequent class of train stands on top"


@pytest.mark.slow
def test_letters_that_no_font_has_are_drawn_without_a_word(coco, tmp_path):
    coco.categories[0]["name"] = "\u732b"
    coco.write()
    target = tmp_path / "a.png"
    draw(describe(prepare(coco.config(), tmp_path / "cache")), target)
    assert target.stat().st_size


@pytest.mark.slow
def test_drawn(distribution, tmp_path):
    """Names from data that mean something to matplotlib and to XML stand there as they are."""
    draw(distribution, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 800
        assert len(np.unique(np.asarray(image.convert("L")))) > 50
    draw(distribution, tmp_path / "a.svg")
    ElementTree.parse(tmp_path / "a.svg")
    assert "<!-- $cat_1$ &amp; &lt;dög&gt; -->" in (tmp_path / "a.svg").read_text(encoding="utf-8")
