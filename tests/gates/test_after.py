"""What a training and its detections say of a broken model, and what they do not."""

from pathlib import Path

import numpy as np
import pytest

from bench.evaluation import Results
from bench.gates import reason
from bench.gates.after import TrainingOutput, after_training
from bench.layout import Example
from bench.records import TrainingRecord


def example(image_id: int, labels: list[int]) -> Example:
    count = len(labels)
    boxes = np.tile([1.0, 1.0, 9.0, 9.0], (count, 1))
    return Example(image_id, Path("x.png"), (100, 50), boxes, np.array(labels), np.zeros(count, dtype=bool))


VAL = [example(image_id, [image_id % 2] * 2) for image_id in range(1, 11)]


def results(rows: list[tuple[int, int, list[float]]]) -> Results:
    return Results(
        np.array([row[0] for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64).reshape(-1, 4),
        np.linspace(0.9, 0.1, len(rows)),
    )


SOUND = results([(n, 1 + n % 2, [5.0 * n, n, 10.0 + n, 20.0]) for n in range(1, 11)])


def checks(
    found: Results = SOUND, aps: tuple[float, ...] = (0.1, 0.2, 0.3), best: int = 3, **settings
) -> dict:
    history = [{"epoch": float(n), "train/box": 1.0, "metrics/AP": ap} for n, ap in enumerate(aps, start=1)]
    training = TrainingRecord(
        epochs=len(aps), best_epoch=best, optimizer_steps=1, images_seen=1, duration_s=1.0,
        stopped_early=False, chosen_by="AP",
    )  # fmt: skip
    given = {"history": history, "training": training, "from_random": True, "results": found, "examples": VAL}
    return {gate.name: gate for gate in after_training(TrainingOutput(**{**given, **settings}))}


def test_a_sound_model_passes_without_a_flag():
    gates = checks()
    assert reason(tuple(gates.values())) is None
    assert not any(gate.flagged for gate in gates.values())
    assert gates["learning"].detail == "the AP on val rises from 0.100 to 0.300"


@pytest.mark.parametrize(
    ("found", "summary"),
    [
        (results([]), "no detection in 10 images"),
        (
            results([(n, 2, [5.0 * n, n, 10.0 + n, 20.0]) for n in range(1, 11)]),
            "are of class 1, and val has 2",
        ),
        (results([(n, 1 + n % 2, [40.0, 20.0, 30.2, 20.0]) for n in range(1, 11)]), "have the same box"),
    ],
)
def test_collapsed_outputs_fail(found, summary):
    gate = checks(found)["outputs"]
    assert not gate.passed
    assert summary in gate.detail


def test_one_class_is_no_collapse_where_val_has_one():
    one = results([(n, 1, [5.0 * n, n, 10.0, 20.0]) for n in range(1, 11)])
    assert checks(one, examples=[example(n, [0]) for n in range(1, 11)])["outputs"].passed


def test_a_loss_that_is_no_number_fails():
    gate = checks(history=[{"epoch": 2.0, "train/box": float("nan")}])["losses"]
    assert not gate.passed
    assert gate.detail == "train/box is nan in epoch 2"


def test_a_best_epoch_that_is_the_first_ends_a_model_from_random_weights_and_flags_a_pretrained_one():
    falling = {"aps": (0.3, *[0.2] * 9), "best": 1}
    random = checks(**falling)["learning"]
    assert not random.passed and "is the best" in random.detail
    pretrained = checks(**falling, from_random=False)["learning"]
    assert pretrained.passed and pretrained.flagged
    short = checks(aps=(0.3, *[0.2] * 8), best=1)["learning"]
    assert short.passed and short.flagged
    assert not checks(aps=(0.3,), best=1)["learning"].flagged


def test_an_ap_of_zero_all_along_fails_once_it_had_its_chances():
    assert not checks(aps=(0.0,) * 10, best=1, from_random=False)["learning"].passed
    assert checks(aps=(0.0,) * 9, best=1)["learning"].flagged
    assert checks(aps=(), best=0)["learning"].passed
