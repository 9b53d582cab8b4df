"""Wrong labels that the models contradict, in a run made by hand: three models, two test images."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.label_doubts import label_doubts
from bench.provenance import provenance
from bench.records import CellRecord, CocoFigures, OperatingPoint, SplitFigures
from bench.store import RunFolder, RunInfo

MODELS = ("a", "b", "c")
CLASSES = ("cat", "dog")

Detection = tuple[str, int, int, list[float], float]
"""Model, image, class index, xywh, score."""


FIGURES = SplitFigures(
    images=2,
    boxes=1,
    detections=1,
    coco=CocoFigures.model_validate(dict.fromkeys(CocoFigures.model_fields)),
    AP_25_50_75=None,
    classes=(),
    operating_point=OperatingPoint(
        score_threshold=0.5,
        true_positives=0,
        false_positives=0,
        false_negatives=0,
        precision=None,
        recall=None,
        f1=None,
    ),
)


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[[list[Any], list[Detection]], RunFolder]:
    """make_run(objects, detections) -> a run with score thresholds of 0.5; val is empty."""

    def make(objects: list[Any], detections: list[Detection]) -> RunFolder:
        run = RunFolder(tmp_path / "run")
        images = [{"id": n, "file_name": f"{n}.png", "source": f"pics/{n}.png"} for n in (1, 2)]
        rows = [
            {"id": number, "image_id": image, "category_id": label + 1, "bbox": box, "iscrowd": int(crowd)}
            for number, (image, label, box, crowd) in enumerate(objects, 1)
        ]
        for split in ("val", "test"):
            here = split == "test"
            run.ground_truth_path(split).parent.mkdir(parents=True, exist_ok=True)
            run.ground_truth_path(split).write_text(
                json.dumps({"images": images if here else [], "annotations": rows if here else []})
            )
        for model in MODELS:
            cell = run.cell(f"{model}-seed0")
            cell.root.mkdir(parents=True)
            found = [
                {"image_id": image, "category_id": label + 1, "bbox": box, "score": score}
                for who, image, label, box, score in detections
                if who == model
            ]
            cell.predictions_path("test").write_text(json.dumps(found))
            cell.predictions_path("val").write_text("[]")
            record = CellRecord(
                cell=cell.name, model=model, seed=0, dataset="x", status="done", val=FIGURES, test=FIGURES
            )
            cell.record_path.write_text(record.model_dump_json())
        info = RunInfo(
            name="run",
            layout=str(tmp_path),
            dataset="x",
            classes=CLASSES,
            cells=tuple(f"{model}-seed0" for model in MODELS),
            provenance=provenance("test"),
        )
        run.info_path.write_text(info.model_dump_json())
        return run

    return make


BOX = [10.0, 10.0, 20.0, 20.0]
NEAR = [12.0, 11.0, 20.0, 20.0]
FAR = [60.0, 60.0, 20.0, 20.0]


def test_what_most_models_see_where_nothing_is_labelled(make_run: Any) -> None:
    run = make_run(
        [(1, 0, FAR, False)],
        [
            *((model, 1, 0, FAR, 0.9) for model in MODELS),
            ("a", 1, 1, BOX, 0.9),
            ("b", 1, 1, NEAR, 0.7),  # two of three: a doubt
            ("a", 2, 0, BOX, 0.9),  # alone
            ("a", 2, 1, FAR, 0.9),
            ("b", 2, 0, FAR, 0.9),  # not the same class
            ("c", 2, 0, BOX, 0.4),  # below its threshold
        ],
    )
    (doubt,) = label_doubts(run).found
    assert (doubt.kind, doubt.split, doubt.image, doubt.label) == ("unlabelled", "test", "pics/1.png", "dog")
    assert doubt.box_xyxy == (10, 10, 30, 30)
    assert (doubt.score, doubt.models) == (pytest.approx(0.8), 2)


def test_objects_that_none_finds(make_run: Any) -> None:
    run = make_run(
        [(1, 0, BOX, False), (1, 1, FAR, False), (2, 0, BOX, False), (2, 0, FAR, True)],
        [
            ("c", 1, 0, NEAR, 0.6),  # one is enough
            ("a", 1, 0, FAR, 0.9),  # another class
            ("a", 2, 0, BOX, 0.3),  # below its threshold
        ],
    )
    found = label_doubts(run).of("unfound")
    assert [(one.image, one.label, one.box_xyxy[:2], one.score) for one in found] == [
        ("pics/2.png", "cat", (10, 10), 0.0),
        ("pics/1.png", "dog", (60, 60), 0.9),
    ]


def test_detections_in_a_crowd_are_no_doubt(make_run: Any) -> None:
    run = make_run([(1, 0, [0.0, 0.0, 90.0, 90.0], True)], [(model, 1, 0, BOX, 0.9) for model in MODELS])
    assert label_doubts(run).found == ()
