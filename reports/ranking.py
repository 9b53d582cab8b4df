"""Which model came out best: mean and spread of the test AP over seeds, failed and invalid cells apart."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

from bench.records import CellRecord


@dataclass(frozen=True)
class Spread:
    """One figure over the seeds that have it."""

    values: tuple[float, ...]  # at least one, in the order of the cells

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """None where no value is defined."""
        defined = tuple(value for value in values if value is not None)
        return cls(defined) if defined else None

    @property
    def mean(self) -> float:
        return fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation (n - 1); None for a single value, which has no spread to tell of."""
        return stdev(self.values) if len(self.values) > 1 else None


@dataclass(frozen=True)
class Ranked:
    """One model's cells on one dataset, and its place among the others there."""

    model: str
    dataset: str
    place: int | None
    """From 1; equal means share a place. None without a test AP."""
    done: tuple[CellRecord, ...]
    failed: tuple[CellRecord, ...]
    invalid: tuple[CellRecord, ...] = ()
    """What the gates have stopped: figures, where there are any, count for nothing."""

    @property
    def apart(self) -> tuple[CellRecord, ...]:
        """Cells without a part in the ranking."""
        return self.failed + self.invalid

    @property
    def ap(self) -> Spread | None:
        """Test AP over the seeds."""
        return self.spread(test_ap)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Of the cells that are done."""
        return tuple(record.seed for record in self.done)

    def spread(self, figure: Callable[[CellRecord], float | None]) -> Spread | None:
        """Any figure of a record over the cells that are done."""
        return Spread.of(figure(record) for record in self.done)


def test_ap(record: CellRecord) -> float | None:
    """AP over IoU .50:.95 on test, of the final training where there is one."""
    return record.ranked.coco.AP if record.ranked else None


def rare_ap(record: CellRecord) -> float | None:
    """Mean AP of the rare classes on test, of the final training where there is one."""
    return record.ranked.AP_rare if record.ranked else None


def ranking(records: Sequence[CellRecord]) -> list[Ranked]:
    """Best mean test AP first; models without one last, in the order of the records.

    Cells belong together by model and dataset; places are given within a dataset. Those that were trained on
    a share of the train split are in no ranking: see bench.reports.shares.
    """
    groups: dict[tuple[str, str], list[CellRecord]] = {}
    for record in records:
        if record.share is None:
            groups.setdefault((record.model, record.dataset), []).append(record)
    ranked = [
        Ranked(
            model=model,
            dataset=dataset,
            place=None,
            done=tuple(record for record in cells if record.status == "done"),
            failed=tuple(record for record in cells if record.status == "failed"),
            invalid=tuple(record for record in cells if record.status == "invalid"),
        )
        for (model, dataset), cells in groups.items()
    ]
    ranked.sort(key=lambda row: -row.ap.mean if row.ap else float("inf"))
    return [_placed(row, ranked) for row in ranked]


def _placed(row: Ranked, all_rows: Sequence[Ranked]) -> Ranked:
    """`row` with its place among those of its dataset."""
    mine = row.ap
    if mine is None:
        return row
    better = sum(
        1 for other in all_rows if other.dataset == row.dataset and other.ap and other.ap.mean > mine.mean
    )
    return replace(row, place=better + 1)
