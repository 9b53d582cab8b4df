"""Parts of a table against matching the part alone, and against COCO's figures by size."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from bench.analysis import errors_by_kind, of_images, of_sizes
from bench.evaluation import MatchTable, WeightedFigures
from bench.evaluation.matches import AREA_RANGES, AREAS

IMAGES, CLASSES = 25, 4


def test_a_part_is_what_matching_its_images_alone_gives(scene: Any, table_of: Any) -> None:
    objects, detections = scene(1)
    kept = np.arange(IMAGES) % 3 == 0
    number = np.cumsum(kept) - 1
    alone = table_of(
        [(int(number[image]), *rest) for image, *rest in objects if kept[image]],
        [(int(number[image]), *rest) for image, *rest in detections if kept[image]],
        int(kept.sum()),
        CLASSES,
    )
    part = of_images(table_of(objects, detections, IMAGES, CLASSES), kept)
    for field in fields(MatchTable):
        if field.name not in ("image_ids", "object_id", "row"):  # as they were in the whole
            np.testing.assert_array_equal(getattr(part, field.name), getattr(alone, field.name), field.name)
    assert len(part) and errors_by_kind(part) == errors_by_kind(alone)


@pytest.mark.parametrize("area", AREAS[1:])
def test_sizes_are_cocos_where_no_detection_overlaps_two_objects(table_of: Any, area: str) -> None:
    rng = np.random.default_rng(0)
    objects, detections = [], []
    for image in range(40):
        for place in range(4):
            side = rng.uniform([12, 12], [140, 140])
            box = (300.0 * place, 10.0, *side.tolist())
            objects.append((image, 0, box, bool(rng.random() < 0.1)))
            for _ in range(2):
                moved = [
                    edge + float(step) for edge, step in zip(box, rng.normal(0, 0.1 * box[3], 4), strict=True)
                ]
                detections.append((image, 0, [max(0.0, edge) for edge in moved], float(rng.random())))
    table = table_of(objects, detections, 40, 1)
    ones = np.ones(40, dtype=np.int64)
    part = of_sizes(table, *AREA_RANGES[AREAS.index(area)])
    wanted = WeightedFigures(table).figures(ones)[f"AP_{area}"]
    assert 0.05 < wanted == WeightedFigures(part, sizes=False).figures(ones)["AP"]
