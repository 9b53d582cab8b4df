"""Tables for the terminal: the ranking of a run in 80 columns, the best settings of a search."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from bench.api.search_progress import setting_line
from bench.reports import Ranked
from bench.reports.columns import COLUMNS, Column
from bench.reports.wording import NOTHING
from bench.search_records import SearchRecord, StudyRecord

SHOWN = {
    "ap": "test AP",
    "ap50": "AP50",
    "f1": "F1",
    "parameters": "params",
    "latency": "ms/image",
    "training": "training",
    "memory": "memory",
}
"""Key of a column of the report -> its head here."""

WITH_SPREAD = "ap"


def comparison(ranked: Sequence[Ranked]) -> Table:
    """Best test AP first; means over seeds, AP with its standard deviation where there are several."""
    several = any(len(row.done) > 1 for row in ranked)
    finals = [record.final for row in ranked for record in row.done]
    what = "test AP of the final trainings" if finals and all(finals) else "test AP"
    title = f"Ranked by {what}" + (" (means over seeds, ± standard deviation)" if several else "")
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("", justify="right")
    table.add_column("model", overflow="fold")
    if several:
        table.add_column("seeds", justify="right")
    columns = [column for column in COLUMNS if column.key in SHOWN]
    for column in columns:
        table.add_column(SHOWN[column.key], justify="right", no_wrap=True)
    for row in ranked:
        cells = [Text(NOTHING if row.place is None else str(row.place)), Text(row.model)]
        if several:
            cells.append(Text(str(len(row.done))))
        cells += [_cell(row, column) for column in columns]
        table.add_row(*cells, style="bold" if row.place == 1 else None)
    return table


def _cell(row: Ranked, column: Column) -> Text:
    spread = row.spread(column.figure)
    text = column.write(spread.mean if spread else None)
    if spread and column.key == WITH_SPREAD and spread.sd is not None:
        text += f" ± {spread.sd:.3f}"
    return Text(text)


def best_settings(record: SearchRecord) -> Table:
    """A row for each model's best trial, or for every trial of its Pareto set."""
    several = len(record.objectives) > 1
    title = f"Best on val by {record.objectives[0]}" + (", and the Pareto set" if several else "")
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column("model", overflow="fold")
    table.add_column("trial", justify="right")
    for name in record.objectives:
        table.add_column(name, justify="right")
    table.add_column("setting", overflow="fold")
    table.add_column("complete/pruned/failed", justify="right")
    for study in record.studies:
        for number in dict.fromkeys([study.best, *study.pareto]):
            table.add_row(*_trial_row(study, number, record), style="bold" if number == study.best else None)
    return table


def _trial_row(study: StudyRecord, number: int | None, record: SearchRecord) -> list[Text]:
    trial = next((trial for trial in study.trials if trial.number == number), None)
    states = [trial.state for trial in study.trials]
    counts = "/".join(str(states.count(state)) for state in ("complete", "pruned", "failed"))
    values = trial.values if trial and trial.values else {}
    return [
        Text(study.model),
        Text(NOTHING if trial is None else str(trial.number)),
        *(Text(f"{values[name]:.4g}" if name in values else NOTHING) for name in record.objectives),
        Text(setting_line(trial.setting) if trial else NOTHING),
        Text(counts),
    ]
