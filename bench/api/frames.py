"""Records of a run as pandas tables. The columns are those of results.csv, classes.csv and history.csv."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.boxes import Boxes, xywh_to_xyxy
from bench.evaluation import Results, table
from bench.records import CellRecord
from bench.store import RunFolder

if TYPE_CHECKING:
    from pandas import DataFrame

NESTED = ("class_map", "notes", "loss")
"""Fields of a record that hold more than one value: they are left out of the table of results."""


def results(records: Sequence[CellRecord]) -> "DataFrame":
    """One row for each cell; a figure that is not defined is NaN."""
    columns = [name for name in table.columns(records) if name.rpartition("/")[2] not in NESTED]
    return _numbers(frame(table.rows(records), columns))


def classes(records: Sequence[CellRecord]) -> "DataFrame":
    """One row for each cell, split and class."""
    return _numbers(frame(table.class_rows(records), table.class_columns(records)))


def history(records: Sequence[CellRecord], run: RunFolder) -> "DataFrame":
    """One row for each cell and epoch; `final` marks the rows of a final training on train and val."""
    who = table.with_share(("model", "seed", "share"), records)
    rows = [
        {name: getattr(record, name) for name in who} | {"final": training is not cell, **row}
        for record in records
        for cell in (run.cell(record.cell),)
        for training in (cell, cell.final)
        for row in training.history()
    ]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    return frame(rows, columns or ["model", "seed", "final", "epoch"])


def ledger(records: Iterable[CellRecord]) -> "DataFrame":
    """One row for each place where a cell's recipe differs from what was asked for."""
    records = list(records)
    who = table.with_share(("model", "seed", "share"), records)
    rows = [
        {name: getattr(record, name) for name in who} | entry.model_dump()
        for record in records
        for entry in (*record.ledger, *(record.training.notes if record.training else ()))
    ]
    return frame(rows, (*who, "setting", "asked", "used", "why"))


def _numbers(table: "DataFrame") -> "DataFrame":
    """`table` with NaN for None in columns that have no value at all; pandas does the others itself."""
    for name in table.columns[table.isna().all()] if len(table) else ():
        table[name] = float("nan")
    return table


def detections(results: Results, coco: dict[str, Any]) -> "DataFrame":
    """One row for each detection; boxes in pixels. `coco`: the ground truth that has the names."""
    columns = _boxes(coco, results.image_ids.tolist(), results.category_ids.tolist(), results.boxes_xywh)
    columns.insert(3, "score", results.scores)
    return columns


def ground_truth(coco: dict[str, Any]) -> "DataFrame":
    """One row for each object of a COCO json; boxes in pixels."""
    objects = coco["annotations"]
    boxes = np.array([one["bbox"] for one in objects], dtype=np.float64).reshape(-1, 4)
    ids = [one["image_id"] for one in objects]
    columns = _boxes(coco, ids, [one["category_id"] for one in objects], boxes)
    return columns.assign(crowd=[bool(one.get("iscrowd", 0)) for one in objects])


def _boxes(
    coco: dict[str, Any], image_ids: Sequence[int], category_ids: Sequence[int], boxes_xywh: Boxes
) -> "DataFrame":
    import pandas

    files = {image["id"]: image["file_name"] for image in coco["images"]}
    names = {category["id"]: category["name"] for category in coco["categories"]}
    corners = xywh_to_xyxy(boxes_xywh)
    return pandas.DataFrame(
        {
            "image_id": np.asarray(image_ids, dtype=np.int64),
            "file_name": [files[image_id] for image_id in image_ids],
            "class": [names[category_id] for category_id in category_ids],
            **{name: corners[:, index] for index, name in enumerate(("x1", "y1", "x2", "y2"))},
        }
    )


def frame(rows: Sequence[Any], columns: Sequence[str]) -> "DataFrame":
    """`rows` with these columns, also where there are no rows."""
    import pandas

    return pandas.DataFrame(rows, columns=list(columns))
