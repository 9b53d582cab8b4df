"""The fake as an oracle: what a search may expect to find."""

import numpy as np
import pytest

from bench.adapters.fake import FAMILY
from bench.detector import FitContext
from bench.loss import LossConfig
from bench.recipe import Recipe


def told(layout, workdir, options=None, **settings):
    """Boxes of train by class that a fake finds after a training with that loss."""
    recipe = Recipe(epochs=2, batch_size=8, loss=LossConfig(**settings))
    plan = FAMILY.plan(variant=None, weights=None, options=options or {"oracle": True}, recipe=recipe)
    detector = FAMILY.build(plan, classes=layout.classes, seed=0, device="cpu")
    context = FitContext(
        workdir=workdir,
        seed=0,
        device="cpu",
        score_val=lambda found: {"AP": float(sum(len(one.scores) for one in found))},
        on_epoch=lambda epoch: False,
    )
    detector.fit(layout, plan.recipe, context)
    found = list(detector.predict([example.path for example in layout.examples("train")]))
    return np.bincount(np.concatenate([one.labels for one in found]), minlength=len(layout.classes))


@pytest.mark.parametrize(
    ("settings", "share"),
    [
        ({}, 0.5),
        ({"classification": "focal", "focal_gamma": 1.5}, 0.8),
        ({"classification": "focal", "focal_gamma": 4.0}, 0.3),
        ({"classification": "focal", "focal_gamma": 9.0}, 0.0),
    ],
)
def test_an_oracle_tells_the_share_that_gamma_decides(yolo_scenes, tmp_path, settings, share):
    counts = np.array(list(yolo_scenes.class_counts("train").values()))
    assert told(yolo_scenes, tmp_path, **settings).tolist() == np.round(counts * share).tolist()


def test_weights_make_an_oracle_tell_more_of_a_class(yolo_scenes, tmp_path):
    table = {"brick": 8.0, "leaf": 0.5}
    plain = told(yolo_scenes, tmp_path / "a")
    weighted = told(yolo_scenes, tmp_path / "b", classification="weighted", class_weights=table)
    assert weighted[0] > plain[0] and weighted[1] < plain[1]


def test_without_the_option_the_loss_changes_nothing(yolo_scenes, tmp_path):
    options = {"oracle": False}
    plain = told(yolo_scenes, tmp_path / "a", options)
    focal = told(yolo_scenes, tmp_path / "b", options, classification="focal")
    assert plain.tolist() == focal.tolist() == [24, 24]  # a box of each class in each picture
