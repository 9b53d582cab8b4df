"""Records as tidy tables: results.csv has one row a cell, classes.csv one a cell, split and class.

An empty field is a figure that is not defined, or that a failed cell does not have. The columns are the same
whatever the cells did, except `share`, which is there if a cell was trained on a share of the train split.
Units are those of bench.records.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from bench import files
from bench.records import (
    CellRecord,
    ClassFigures,
    CocoFigures,
    Description,
    Efficiency,
    OperatingPoint,
    SplitFigures,
    TrainingRecord,
)

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

Value = str | int | float | bool | None
Row = dict[str, Value]

NO_COLUMNS = ("latency_rounds_ms", "native_notes")
"""Fields that hold more than one value and say nothing in a table."""

CLASS_COLUMNS = ("cell", "model", "seed", "share", "split", "class", *list(ClassFigures.model_fields)[1:])


def rows(records: Iterable[CellRecord]) -> list[Row]:
    """One row a cell, in the order given: the model, training/..., val/..., test/..., and the cost."""
    return [_row(record) for record in records]


def columns(records: Sequence[CellRecord]) -> tuple[str, ...]:
    """Of results.csv."""
    return with_share(COLUMNS, records)


def class_columns(records: Sequence[CellRecord]) -> tuple[str, ...]:
    """Of classes.csv."""
    return with_share(CLASS_COLUMNS, records)


def with_share(columns: Sequence[str], records: Iterable[CellRecord]) -> tuple[str, ...]:
    """`columns` without `share` where every cell was trained on all of the train split."""
    shared = any(record.share is not None for record in records)
    return tuple(name for name in columns if shared or name != "share")


def class_rows(records: Iterable[CellRecord]) -> list[Row]:
    """One row a cell, split and class; a cell without figures has none."""
    table: list[Row] = []
    for record in records:
        who: Row = {"cell": record.cell, "model": record.model, "seed": record.seed, "share": record.share}
        final = record.final.test if record.final else None
        for split, figures in (("val", record.val), ("test", record.test), ("final/test", final)):
            table.extend(
                who | {"split": split, "class": one.name} | one.model_dump(exclude={"name"})
                for one in (figures.classes if figures else ())
            )
    return table


def write_csv(path: Path, records: Sequence[CellRecord]) -> None:
    """results.csv, whole or not at all."""
    _write(path, columns(records), rows(records))


def write_classes_csv(path: Path, records: Sequence[CellRecord]) -> None:
    """classes.csv, whole or not at all."""
    _write(path, class_columns(records), class_rows(records))


def _row(record: CellRecord) -> Row:
    failure = record.failure
    row: Row = {
        "cell": record.cell,
        "model": record.model,
        "seed": record.seed,
        "share": record.share,
        "dataset": record.dataset,
        "status": record.status,
        "failed_stage": failure.stage if failure else None,
        "reason": failure.reason if failure else None,
    }
    row |= _fields(Description, record.description)
    row |= _fields(TrainingRecord, record.training, "training/")
    for split, figures in (("val", record.val), ("test", record.test)):
        row |= _split(figures, f"{split}/")
    final = record.final
    row |= _fields(TrainingRecord, final.training if final else None, "final/training/")
    row |= _split(final.test if final else None, "final/test/")
    return row | _fields(Efficiency, record.efficiency)


def _split(figures: SplitFigures | None, prefix: str) -> Row:
    """Counts, COCO's twelve, the lenient AP, and the operating point, side by side."""
    single = [
        name for name in SplitFigures.model_fields if name not in ("coco", "classes", "operating_point")
    ]
    return (
        {prefix + name: getattr(figures, name, None) for name in single}
        | _fields(CocoFigures, figures.coco if figures else None, prefix)
        | _fields(OperatingPoint, figures.operating_point if figures else None, prefix)
    )


def _fields(model: type[BaseModel], value: BaseModel | None, prefix: str = "") -> Row:
    """Every field of `model` that is one value as a column; empty where there is no `value`."""
    return {
        prefix + name: getattr(value, name, None) for name in model.model_fields if name not in NO_COLUMNS
    }


def _harmless(value: Value) -> Value:
    """With an apostrophe before a text that a spreadsheet would take for a formula (OWASP, CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA_STARTS else value


def _write(path: Path, columns: Sequence[str], table: Iterable[Mapping[str, Value]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in table)
    files.write_text(path, text.getvalue())


COLUMNS = tuple(_row(CellRecord(cell="", model="", seed=0, dataset="", status="failed")))
"""Of results.csv."""
