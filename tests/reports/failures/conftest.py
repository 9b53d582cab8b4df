"""Runs with given detections and ground truth."""

import json

import pytest

from bench.reports.comparison import compare
from bench.reports.failures.errors import split_errors


@pytest.fixture
def comparison(make_run, make_record):
    """comparison({model: detections}, annotations) -> the comparison of a run with exactly these.

    Detections are (image, class, [x, y, w, h], score), annotations (image, class, [x, y, w, h], crowd).
    Images are 1 to `images`, 160 x 120; every model's threshold is 0.31.
    """

    def comparison(found, annotations, *, images=4, report=None):
        run = make_run(records=[make_record(model, 0, 0.9 - 0.1 * k) for k, model in enumerate(found)])
        truth = json.loads(run.ground_truth_path("test").read_text())
        truth["images"] = [
            {"id": k, "file_name": f"photo {k}.jpg", "width": 160, "height": 120}
            for k in range(1, images + 1)
        ]
        truth["annotations"] = [
            {"id": k, "image_id": image, "category_id": label + 1, "bbox": box, "area": box[2] * box[3],
             "iscrowd": int(crowd)}
            for k, (image, label, box, crowd) in enumerate(annotations, 1)
        ]  # fmt: skip
        run.ground_truth_path("test").write_text(json.dumps(truth))
        for model, detections in found.items():
            run.cell(f"{model}-s0").predictions_path("test").write_text(
                json.dumps(
                    [
                        {"image_id": image, "category_id": label + 1, "bbox": box, "score": score}
                        for image, label, box, score in detections
                    ]
                )
            )
        if report is not None:
            info = json.loads(run.info_path.read_text())
            run.info_path.write_text(json.dumps({**info, "version": 2, "config": {"report": report}}))
        return compare([run])[0]

    return comparison


@pytest.fixture
def errors(comparison):
    """errors({model: detections}, annotations) -> their SplitErrors."""

    def errors(found, annotations, **settings):
        return split_errors(comparison(found, annotations, **settings))

    return errors
