"""The comparison as the terminal prints it."""

from rich.console import Console

from bench.cli.tables import comparison
from bench.records import CellRecord, CocoFigures, Efficiency, OperatingPoint, SplitFigures
from bench.reports import ranking
from bench.reports.wording import NOTHING

NO_FIGURES = dict.fromkeys(CocoFigures.model_fields)


def record(model: str, seed: int, ap: float) -> CellRecord:
    point = OperatingPoint(
        score_threshold=0.3, true_positives=3, false_positives=1, false_negatives=1,
        precision=0.75, recall=0.75, f1=ap / 2,
    )  # fmt: skip
    test = SplitFigures(
        images=9, boxes=4, detections=50, coco=CocoFigures(**{**NO_FIGURES, "AP": ap, "AP50": ap + 0.25}),
        AP_25_50_75=ap, classes=(), operating_point=point,
    )  # fmt: skip
    efficiency = Efficiency(
        checkpoint_bytes=1, latency_ms=12.5, latency_p95_ms=20.0, images_per_s=80.0, throughput_batch=8,
        timed_images=9, peak_memory_mib=2048.0, peak_gpu_memory_mib=None, device="cpu",
    )  # fmt: skip
    return CellRecord(
        cell=f"{model}-{seed}", model=model, seed=seed, dataset="d", status="done", test=test,
        efficiency=efficiency,
    )  # fmt: skip


def printed(records: list[CellRecord]) -> list[str]:
    """Each line, with one space between its words."""
    console = Console(width=120)
    with console.capture() as capture:
        console.print(comparison(ranking(records)))
    return [" ".join(line.split()) for line in capture.get().splitlines() if line.strip()]


def test_means_stand_with_their_sample_standard_deviation():
    title, head, _, first, second = printed([record("b", 0, 0.2), record("a", 0, 0.5), record("a", 1, 0.6)])
    assert title == "Ranked by test AP (means over seeds, ± standard deviation)"
    assert head == "model seeds test AP AP50 F1 params ms/image training memory"
    # sd of 0.5 and 0.6 with n - 1: 0.1 / sqrt(2)
    assert first == f"1 a 2 0.550 ± 0.071 0.800 0.275 {NOTHING} 12.5 {NOTHING} 2.0 GiB"
    assert second == f"2 b 1 0.200 0.450 0.100 {NOTHING} 12.5 {NOTHING} 2.0 GiB"


def test_one_seed_each_has_no_spread_and_no_column_for_seeds():
    title, head, _, first = printed([record("a", 0, 0.5)])
    assert title == "Ranked by test AP"
    assert "seeds" not in head and "±" not in first


def test_the_first_place_is_printed_bold():
    table = comparison(ranking([record("b", 0, 0.2), record("a", 0, 0.5)]))
    assert [row.style for row in table.rows] == ["bold", None]
