"""A deterministic detector without a framework, for fast tests and as an example of the contract.

It learns the mean box and the frequency of every class on `train`, and reports those in every image. More
epochs bring it closer: after epoch e of E its boxes are e/E of the way from the whole image to the mean box.

With `oracle` it reads the ground truth of a layout's image instead, and reports a share of it that depends on
the recipe's loss, so that a search has an optimum: of class c, after epoch e of E,

    e/E (0.8 - 0.2 |focal_gamma - 1.5|) w_c^(1/4), between 0 and 1; w_c its class weight, 1 if not weighted

of a split's boxes, spread evenly over it. AP is then near the mean of these shares: 0.5 with the standard
loss, 0.8 at focal_gamma 1.5, and weights raise the rare classes' share more than they lower the others'.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench import files
from bench.boxes import cxcywh_norm_to_xyxy, xyxy_to_cxcywh_norm
from bench.detector import Detections, Detector, FitContext, Plan
from bench.errors import ConfigError, RecipeError
from bench.frequencies import class_weights
from bench.layout import SPLITS, Example, Layout
from bench.loss import LossConfig
from bench.recipe import Recipe
from bench.records import Description, EpochRecord, LedgerEntry, TrainingRecord

OPTIONS: dict[str, Any] = {"epoch_s": 0.0, "fail_at_epoch": 0, "oracle": False}
"""Options: the least seconds of an epoch; the epoch in which the training fails (0: none); whether it answers
from the annotations."""

BEST_GAMMA = 1.5


@dataclass
class FakeDetector:
    """`priors` has one row a class: cx, cy, w, h as shares of the image, a score, and the share of its
    boxes that an oracle tells; (C, 6).
    """

    options: Mapping[str, Any]
    priors: np.ndarray = field(default_factory=lambda: np.zeros((0, 6)))

    def describe(self) -> Description:
        return Description(
            family="fake",
            variant="mean-box",
            input_size=32,
            parameters=self.priors.size,
            trainable_parameters=self.priors.size,
            pretrained_on="nothing",
            weights=None,
            normalisation="none",
        )

    def fit(self, layout: Layout, recipe: Recipe, context: FitContext) -> TrainingRecord:
        target = _priors(layout, recipe.loss)
        images = layout.examples("val")
        state_path = context.workdir / "state.json"
        state = {"epoch": 0, "best_epoch": 0, "best_ap": -1.0, "best": target.tolist(), "duration_s": 0.0}
        if state_path.is_file():
            state = json.loads(state_path.read_text(encoding="utf-8"))
        steps = -(-len(layout.examples("train")) // recipe.batch)
        stop = False
        for epoch in range(state["epoch"] + 1, recipe.epochs + 1):
            begun = time.perf_counter()
            if epoch == self.options["fail_at_epoch"]:
                raise RuntimeError(f"the fake detector breaks in epoch {epoch}, as its options say")
            time.sleep(self.options["epoch_s"])
            self.priors = _between(epoch / recipe.epochs, target)
            metrics: dict[str, float] = {}
            if context.score_val is not None:
                metrics = context.score_val(list(self.predict([example.path for example in images])))
            if not metrics or metrics["AP"] > state["best_ap"]:
                state |= {
                    "best_epoch": epoch,
                    "best_ap": metrics.get("AP", -1.0),
                    "best": self.priors.tolist(),
                }
            duration = time.perf_counter() - begun
            state |= {"epoch": epoch, "duration_s": state["duration_s"] + duration}
            files.write_json(state_path, state)
            distance = 1 - epoch / recipe.epochs
            stop = context.on_epoch(
                EpochRecord(
                    epoch=epoch,
                    epochs=recipe.epochs,
                    train_losses={"distance": distance},
                    val_losses={"distance": distance},
                    val_metrics=metrics,
                    learning_rates={"all": recipe.lr or 0.0},
                    optimizer_steps=epoch * steps,
                    images_seen=epoch * len(layout.examples("train")),
                    duration_s=duration,
                )
            )
            if stop:
                break
        self.priors = np.array(state["best"], dtype=np.float64)
        return TrainingRecord(
            epochs=state["epoch"],
            best_epoch=state["best_epoch"],
            optimizer_steps=state["epoch"] * steps,
            images_seen=state["epoch"] * len(layout.examples("train")),
            duration_s=state["duration_s"],
            stopped_early=stop,
            chosen_by="AP on val, the harness's judge"
            if context.score_val is not None
            else "the last epoch: none was validated",
        )

    def predict(self, images: Sequence[Path], *, batch_size: int = 1) -> Iterator[Detections]:
        known = _oracle_detections(images, self.priors[:, 5]) if self.options["oracle"] else {}
        for path in images:
            if path in known:
                yield known[path]
                continue
            with Image.open(path) as image:
                size = np.array(image.size, dtype=np.float64)
            boxes = cxcywh_norm_to_xyxy(self.priors[:, :4], size)
            yield Detections.best(boxes, self.priors[:, 4], np.arange(len(boxes)))

    def disable_augmentation(self) -> None:
        """There is none; failures and delays are the training's, not the model's."""
        self.options = {**self.options, **OPTIONS}

    def inference_inputs(self, images: Sequence[Path]) -> Iterator[NDArray[np.float64]]:
        for path in images:
            with Image.open(path) as image:
                yield np.asarray(image.convert("RGB"), dtype=np.float64) / 255

    def training_inputs(self, examples: Sequence[Example]) -> Iterator[NDArray[np.float64]]:
        return self.inference_inputs([example.path for example in examples])

    def round_trip(self, examples: Sequence[Example]) -> Iterator[Detections]:
        for example in examples:
            size = np.array(example.size_wh, dtype=np.float64)
            target = xyxy_to_cxcywh_norm(example.boxes_xyxy, size)
            yield Detections.best(cxcywh_norm_to_xyxy(target, size), np.ones(len(target)), example.labels)

    def save(self, path: Path) -> None:
        path.mkdir(parents=True)
        files.write_json(path / "fake.json", {"options": dict(self.options), "priors": self.priors.tolist()})


class FakeFamily:
    """Plans, builds and loads the fake."""

    name = "fake"
    variants: Mapping[str, str] = {"mean-box": "finds the mean box of every class in every picture"}

    def plan(
        self, *, variant: str | None, weights: str | None, options: Mapping[str, Any], recipe: Recipe
    ) -> Plan:
        if variant not in (None, *self.variants):
            raise ConfigError("the fake has one variant", value=variant, hint="leave it out, or say mean-box")
        if weights not in (None, "none"):
            raise RecipeError("the fake has no weights to load", value=weights, hint="say weights: none")
        strange = sorted(set(options) - set(OPTIONS))
        if strange:
            raise ConfigError(
                "unknown option of the fake", value=strange[0], hint=f"known: {', '.join(OPTIONS)}"
            )
        return Plan(
            family=self.name,
            variant="mean-box",
            weights="none",
            options={**OPTIONS, **options},
            recipe=recipe.model_copy(update={"lr": recipe.lr or 0.1}),
            ledger=(
                LedgerEntry(
                    setting="flip", asked=str(recipe.flip), used="0", why="a mean box has no left and right"
                ),
            ),
        )

    def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
        return FakeDetector(plan.options, np.tile([0.5, 0.5, 1.0, 1.0, 0.0, 0.0], (len(classes), 1)))

    def load(self, path: Path, *, device: str) -> Detector:
        saved = json.loads((path / "fake.json").read_text(encoding="utf-8"))
        return FakeDetector(saved["options"], np.array(saved["priors"], dtype=np.float64))


def _priors(layout: Layout, loss: LossConfig) -> np.ndarray:
    """Mean box (cx, cy, w, h, shares of the image) and share of the boxes, by class, on train, and what an
    oracle tells at the end of a training; (C, 6). Raises ConfigError as `class_weights` does.
    """
    examples = [example for example in layout.examples("train") if len(example.labels)]
    boxes = np.concatenate([xyxy_to_cxcywh_norm(e.boxes_xyxy, np.array(e.size_wh, float)) for e in examples])
    labels = np.concatenate([example.labels for example in examples])
    rows = np.zeros((len(layout.classes), 6))
    for index in range(len(layout.classes)):
        mine = labels == index
        if mine.any():
            rows[index, :5] = [*boxes[mine].mean(axis=0), mine.mean()]
    weights = class_weights(loss, layout.class_counts("train"))
    rows[:, 5] = np.clip((0.8 - 0.2 * abs(loss.gamma - BEST_GAMMA)) * weights**0.25, 0, 1)
    return rows


def _between(share: float, target: np.ndarray) -> np.ndarray:
    """`share` of the way from the whole image, of which an oracle tells nothing, to `target`."""
    start = np.tile([0.5, 0.5, 1.0, 1.0, 0.0, 0.0], (len(target), 1))
    start[:, 4] = target[:, 4]
    between: np.ndarray = start + share * (target - start)
    return between


def _oracle_detections(images: Sequence[Path], shares: np.ndarray) -> dict[Path, Detections]:
    """Of each image in a layout: the true boxes, without crowds, that the oracle reports.

    Of the first k boxes of class c in a split, in the order of its json, round(k shares[c]) are reported.
    """
    known: dict[Path, Detections] = {}
    for folder in {path.parent for path in images}:
        root, split = folder.parent.parent, folder.name
        if split not in SPLITS or not (root / "manifest.json").is_file():
            continue
        seen = np.zeros(len(shares), dtype=np.int64)
        for example in Layout.open(root).examples(split):
            kept = []
            for index in np.flatnonzero(~example.crowd):
                label = example.labels[index]
                due = np.round(seen[label] * shares[label])
                seen[label] += 1
                if np.round(seen[label] * shares[label]) > due:
                    kept.append(index)
            known[example.path] = Detections.best(
                example.boxes_xyxy[kept], np.ones(len(kept)), example.labels[kept]
            )
    return known


FAMILY = FakeFamily()
