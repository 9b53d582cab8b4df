"""Which test pictures a run keeps, and how."""

import json

import numpy as np
import pytest
from PIL import Image

from bench.layout import Example
from bench.runner.samples import SAMPLE_SIDE, SAMPLES, keep_samples
from bench.store import RunFolder


class Split:
    """A layout of one test split."""

    def __init__(self, examples):
        self._examples = examples

    def examples(self, split):
        assert split == "test", "no other split is shown"
        return self._examples


@pytest.fixture
def keep(tmp_path):
    """keep(boxes of each picture, size) -> the samples, and the folder of the run."""

    def keep(boxes, size_wh=(100, 50)):
        examples = []
        for index, count in enumerate(boxes):
            path = tmp_path / "test" / f"photo {index}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", size_wh, (10 * index % 256, 0, 0)).save(path)
            examples.append(
                Example(
                    image_id=index + 1, path=path, size_wh=size_wh,
                    boxes_xyxy=np.zeros((count, 4)), labels=np.zeros(count, dtype=np.int64),
                    crowd=np.zeros(count, dtype=np.bool_),
                )
            )  # fmt: skip
        run = RunFolder(tmp_path / "run")
        return keep_samples(Split(examples), run), run

    return keep


def test_every_nth_picture_with_boxes_and_the_first_background(keep):
    boxes = [0 if index in (3, 9) else 1 for index in range(23)]
    samples, _ = keep(boxes)
    # of the 21 with boxes: 0, 3, 6, 9, 12, 15 and 18, counted without the two that have none; then the fourth
    assert [sample.image_id for sample in samples] == [1, 5, 8, 12, 15, 18, 21, 4]
    assert len(samples) == SAMPLES


def test_a_small_split_is_kept_whole(keep):
    samples, _ = keep([1, 1, 0])
    assert [sample.image_id for sample in samples] == [1, 2, 3]
    assert [sample.file_name for sample in samples] == ["photo 0.png", "photo 1.png", "photo 2.png"]


def test_a_large_picture_is_shrunk_and_says_by_how_much(keep):
    (sample,), run = keep([1], size_wh=(1600, 800))
    assert (sample.size_wh, sample.scale) == ((1600, 800), SAMPLE_SIDE / 1600)
    with Image.open(run.samples_dir / sample.image) as image:
        assert image.size == (SAMPLE_SIDE, SAMPLE_SIDE // 2)


def test_a_small_picture_keeps_its_size_and_the_list_is_written(keep):
    (sample,), run = keep([1])
    assert sample.scale == 1.0
    with Image.open(run.samples_dir / sample.image) as image:
        assert image.size == (100, 50)
    stored = json.loads((run.samples_dir / "samples.json").read_text())
    assert stored == [json.loads(sample.model_dump_json())]
