"""Parts of a match table: some of its images, or objects of some sizes. Matching is not repeated.

Every function of a match table works on a part too: AP of the dark images is
`WeightedFigures(of_images(table, dark), sizes=False)`.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bench.evaluation import MatchTable
from bench.evaluation.matches import NO_OBJECT


def of_images(table: MatchTable, kept: NDArray[np.bool_]) -> MatchTable:
    """The images `kept` (I,) with their objects and detections: what matching them alone would give."""
    objects, detections = kept[table.object_image], kept[table.image]
    new_image = np.cumsum(kept, dtype=np.int32) - 1
    new_object = np.where(objects, np.cumsum(objects, dtype=np.int32) - 1, NO_OBJECT).astype(np.int32)
    new_object = np.append(new_object, np.int32(NO_OBJECT))  # NO_OBJECT, -1, stays what it is
    new_detection = np.cumsum(detections, dtype=np.int32) - 1
    hits = detections[table.hit]
    return replace(
        table,
        image_ids=table.image_ids[kept],
        object_image=new_image[table.object_image[objects]],
        object_label=table.object_label[objects],
        object_area=table.object_area[objects],
        object_crowd=table.object_crowd[objects],
        object_id=table.object_id[objects],
        image=new_image[table.image[detections]],
        label=table.label[detections],
        score=table.score[detections],
        area=table.area[detections],
        rank=table.rank[detections],
        row=table.row[detections],
        own_iou=table.own_iou[detections],
        own_object=new_object[table.own_object[detections]],
        other_iou=table.other_iou[detections],
        other_object=new_object[table.other_object[detections]],
        hit=new_detection[table.hit[hits]],
        hit_object=new_object[table.hit_object[hits]],
        hit_iou=table.hit_iou[hits],
    )


def of_sizes(table: MatchTable, low: float, high: float) -> MatchTable:
    """Objects of `low` to `high` square pixels, both included; use the figures over all sizes alone.

    As in COCO's figures by size, objects outside the range are ignored, as crowds are, and so are unmatched
    detections whose own area is outside it. Unlike there, matches over all sizes stand: a detection that
    overlaps an object outside the range most is ignored even if it could have matched one within.
    """
    outside = (table.object_area < low) | (table.object_area > high)
    own_outside = (table.area < low) | (table.area > high)
    return replace(
        table,
        object_crowd=table.object_crowd | outside,
        area=np.where(own_outside, np.inf, table.area),  # COCO's "all" ends at 1e10 square pixels
    )
