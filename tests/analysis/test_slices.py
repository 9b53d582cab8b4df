"""Slices against the same figures from the whole table with the other images' weights at zero."""

from typing import Any

import numpy as np
import pytest

from bench.analysis import Judged, class_slices, counting_error, size_slices, slices
from bench.analysis.slices import ranges
from bench.evaluation import WeightedFigures
from bench.statistics import Comparison, estimate, image_weights

IMAGES, CLASSES, THRESHOLD = 25, 4, 0.3
UNITS = np.arange(IMAGES)


@pytest.fixture
def models(scene: Any, table_of: Any) -> dict[str, list[Judged]]:
    """Each training has scores of its own; the second model lacks every fifth detection."""
    objects, detections = scene(0)

    def trained(seed: int, every: int) -> Judged:
        chance = np.random.default_rng(seed)
        found = [(*one[:3], float(chance.random())) for n, one in enumerate(detections) if n % 5 < every]
        return Judged(table_of(objects, found, IMAGES, CLASSES), THRESHOLD)

    return {"a": [trained(0, 5), trained(1, 5)], "b": [trained(2, 4), trained(3, 4)]}


def test_a_slice_is_the_split_without_the_other_images(models: Any) -> None:
    values = np.arange(IMAGES) % 7 * 1.0
    values[4] = np.nan
    found = list(slices(models, UNITS, {"brightness": values}, amount=2, draws=20))
    assert [(one.by, one.low, one.high) for one in found] == [("brightness", 0, 2), ("brightness", 3, 6)]
    assert [one.images for one in found] == [12, 12]
    kept = (values >= 3) & (values <= 6)
    tables = [one.table for seeds in models.values() for one in seeds]
    draws = image_weights(UNITS, 20)
    whole = [WeightedFigures(table, sizes=False, score_threshold=THRESHOLD) for table in tables]
    for name, figure in (("AP", "AP"), ("AR_100", "AR_100"), ("precision", "precision"), ("f1", "f1")):
        sample = found[1].samples[name]
        place = whole[0].names.index(figure)
        wanted = [one.batch(kept[None].astype(np.int64))[0, place] for one in whole]
        np.testing.assert_allclose(np.concatenate(sample.values), wanted, rtol=1e-12)
        drawn = np.stack([one.batch(draws * kept)[:, place] for one in whole], axis=1)
        np.testing.assert_allclose(sample.covariance, np.cov(drawn, rowvar=False) * 12 / 11)
    assert found[1].objects == int(np.count_nonzero(kept[tables[0].object_image] & ~tables[0].object_crowd))


def test_every_model_of_a_slice_has_an_interval_and_pairs_a_difference(models: Any) -> None:
    (part,) = slices(models, UNITS, {"objects": np.ones(IMAGES)}, draws=50)
    one = estimate(part.samples["missed_per_object"], 0)
    assert one.low < one.value < one.high and one.covers_training
    assert one.value == pytest.approx(1 - estimate(part.samples["recall"], 0).value)
    difference = Comparison(part.samples["AP"]).difference("a", "b")
    assert difference.low < difference.estimate < difference.high


def test_classes_have_their_own_figures(models: Any) -> None:
    found = list(class_slices(models, UNITS, draws=50))
    table = models["a"][0].table
    assert [one.name for one in found] == list(table.classes)
    assert [one.objects for one in found] == table.support.tolist()
    ap = WeightedFigures(table).figures(np.ones(IMAGES, dtype=np.int64))
    for label, one in enumerate(found):
        assert one.samples["AP"].values[0][0] == pytest.approx(ap[f"AP/{one.name}"], rel=1e-12)
        off = counting_error(table, THRESHOLD).by_class[label]
        assert one.samples["count_error"].values[0][0] == pytest.approx(off)


def test_sizes_share_the_objects_out(models: Any) -> None:
    found = list(size_slices(models, UNITS, draws=20))
    table = models["a"][0].table
    areas = np.sort(table.object_area[~table.object_crowd])
    assert sum(one.objects for one in found) == len(areas) and len(found) == 3
    assert max(one.objects for one in found) - min(one.objects for one in found) <= 1
    assert (found[0].low, found[-1].high) == (areas[0], areas[-1])
    recalls = [one.samples["recall"].values[0][0] * one.objects for one in found]
    true, false = table.outcome()
    assert sum(recalls) == pytest.approx(np.count_nonzero(true & (table.score >= THRESHOLD)))
    wrong = [one.samples["false_positives_per_image"].values[0][0] * IMAGES for one in found]
    assert sum(wrong) == pytest.approx(np.count_nonzero(false & (table.score >= THRESHOLD)))


def test_what_is_not_known_is_left_out(models: Any) -> None:
    """A single image has no interval."""
    (part,) = slices(models, UNITS, {"one": np.where(np.arange(IMAGES) == 3, 1.0, np.nan)}, draws=20)
    assert part.images == 1 and part.samples == {}


def test_ranges_never_part_equal_values() -> None:
    assert ranges(np.array([1.0, 1, 1, 1, 2, 3]), 3) == [(1, 1), (2, 3)]
    assert ranges(np.array([3.0, 1, 2, np.nan, 6, 5, 4]), 3) == [(1, 2), (3, 4), (5, 6)]
    assert ranges(np.array([np.nan]), 3) == []
