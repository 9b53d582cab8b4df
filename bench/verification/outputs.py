"""What is made from the records: results.csv, classes.csv, the report. And histories of trainings."""

import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

from bench import earlier, evaluation
from bench.records import CellRecord
from bench.reports import columns, ranking_table
from bench.reports.comparison import compare
from bench.store import RunFolder
from bench.verification.check import Check, compared

HALF_PRECISION = 0.005
"""Between val AP in training and that of the checkpoint read back: YOLO's is stored in half precision, and
on a GPU sums differ from one call to the next."""


def check_outputs(run: RunFolder, records: Sequence[CellRecord]) -> Iterator[Check]:
    tables: list[tuple[Path, Callable[[Path, Sequence[CellRecord]], None]]] = [
        (run.results_path, evaluation.write_csv),
        (run.classes_path, evaluation.write_classes_csv),
    ]
    for path, write in tables:
        yield _table(path, write, records)
    yield _report(run)


def _table(
    path: Path, write: Callable[[Path, Sequence[CellRecord]], None], records: Sequence[CellRecord]
) -> Check:
    if not path.is_file():
        return Check(path.name, "table", "skipped", "there is none")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / path.name, records)
        expected, found = _rows(Path(folder) / path.name), _rows(path)
    if len(found) != len(expected):
        return compared(path.name, "table", [f"{len(found)} rows, {len(expected)} by the records"], "")
    differences = [
        f"row {place}, {name} is {row[name]!r}, by the records {value!r}"
        for place, (row, right) in enumerate(zip(found, expected, strict=True), 1)
        for name, value in right.items()
        if name in row and row[name] != value
    ]
    return compared(path.name, "table", differences, f"{len(found):,} rows follow from the records")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {"/".join(map(earlier.column, name.split("/"))): value for name, value in row.items() if name}
            for row in csv.DictReader(file)
        ]


def _report(run: RunFolder) -> Check:
    """The ranking's figures at full precision, as the page keeps them for sorting."""
    name = run.report_path.name
    if not run.report_path.is_file():
        return Check(name, "ranking", "skipped", "there is none")
    page = _Ranking()
    page.feed(run.report_path.read_text(encoding="utf-8"))
    expected: dict[str, list[str]] = {}
    for comparison in compare([run]):
        for row in ranking_table.table(comparison, columns.COLUMNS).rows:
            if row.contestant.done:
                expected[row.contestant.label] = [entry.order for entry in row.entries]
    differences = [
        f"{label}: {page.rows.get(label)} in the ranking, {values} by the records"
        for label, values in expected.items()
        if page.rows.get(label) != values
    ]
    differences += [f"{label} is in no record" for label in page.rows if label not in expected]
    return compared(
        name, "ranking", differences, f"the figures of {len(expected)} models follow from the records"
    )


class _Ranking(HTMLParser):
    """Model -> `data-v` of its figures, in the order of the columns."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[str]] = {}
        self._inside = False
        self._model = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = (given.get("class") or "").split()
        if tag == "table":
            self._inside = "ranking" in names
        elif self._inside and tag == "th" and "who" in names and given.get("scope") == "row":
            self._model = given.get("data-v") or ""
        elif self._inside and tag == "td" and "figure" in names:
            self.rows.setdefault(self._model, []).append(given.get("data-v") or "")


def check_history(run: RunFolder, record: CellRecord) -> Iterator[Check]:
    """The best epoch by the watched metric is the judged one, and its val AP the record's."""
    training, val = record.training, record.val
    monitor = f"metrics/{record.recipe.get('monitor', 'AP')}"
    rows = [row for row in run.cell(record.cell).history() if monitor in row]
    subject = f"{record.cell}, history"
    if training is None or val is None or not rows or not training.best_epoch:
        yield Check(subject, "best epoch", "skipped", "no epoch was validated")
        return
    if training.best_step is None:
        judged = [row for row in rows if row["epoch"] == training.best_epoch]
    else:
        judged = [row for row in rows if row["optimizer_steps"] == training.best_step]
    best = max(row[monitor] for row in rows)
    if not judged:
        yield Check(subject, "best epoch", "differs", f"epoch {training.best_epoch} was not validated")
        return
    wrong = [f"epoch {training.best_epoch} has {judged[0][monitor]}, another {best}"]
    yield compared(
        subject,
        "best epoch",
        wrong if judged[0][monitor] < best else [],
        f"{training.best_epoch}: {monitor} {best:.4f}",
    )
    reported, stored = judged[0]["metrics/AP"], val.coco.AP or 0.0
    off = abs(reported - stored)
    yield compared(
        subject,
        "val AP",
        [f"{reported} in training, {stored} in the record"] if off > HALF_PRECISION else [],
        f"the record's, within {off:.1e}" if off else "the record's",
    )
