"""What does a training step cost in our loop, against one written by hand for the same network and batch?

    python benchmarks/step_cost.py [--families detr frcnn yolo] [--batch 8] [--steps 10] [--rounds 30]

Two copies of the tiny network, with the same weights, batch, optimiser and clipping, train in turns in this
process, a round of some steps each; who begins a round changes. Ours is the loop whole, as `fit` runs it:
rates, loss weights, means of the losses, progress. By hand is what a tutorial has; for YOLO, which has a
trainer of its own, that trainer's loop as ultralytics has it. Loading images and validation are left out on
both sides. The ratio is the median of those of the rounds; on a CPU torch has one
thread and its CPU seconds count, because wall seconds mean little on a machine that does other things.
Exit code 1 where a ratio is over 1.03.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers.loss.loss_for_object_detection import ForObjectDetectionLoss

from bench import registry
from bench.adapters.loop import feed
from bench.adapters.loop.detector import LoopDetector
from bench.adapters.loop.trainable import Batch
from bench.adapters.loop.training import _Training
from bench.adapters.training.budget import Elapsed
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.detector import FitContext
from bench.layout import Layout
from bench.recipe import Recipe

DEMANDED_RATIO = 1.03


def detr_by_hand(network: Any, batch: Batch) -> torch.Tensor:
    """Normalise, mask, and transformers' own weighted loss."""
    mean = torch.tensor([0.485, 0.456, 0.406], device=batch.pixels.device).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225], device=batch.pixels.device).view(1, 3, 1, 1)
    mask = torch.zeros_like(batch.pixels[:, 0], dtype=torch.bool)
    labels = []
    for row, ((width, height), target) in enumerate(zip(batch.sizes_wh, batch.targets, strict=True)):
        mask[row, :height, :width] = True
        low, high = target.boxes_xyxy[:, :2], target.boxes_xyxy[:, 2:]
        scale = torch.tensor([width, height] * 2, device=batch.pixels.device)
        labels.append(
            {"class_labels": target.labels, "boxes": torch.cat([(low + high) / 2, high - low], 1) / scale}
        )
    network.loss_function = ForObjectDetectionLoss
    pixels = (batch.pixels.float() / 255 - mean) / std * mask[:, None]
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    loss: torch.Tensor = network(pixel_values=pixels, pixel_mask=mask, labels=labels).loss
    return loss


def frcnn_by_hand(network: Any, batch: Batch) -> torch.Tensor:
    """torchvision's own losses, added up."""
    images = [
        image[:, :height, :width].float() / 255
        for image, (width, height) in zip(batch.pixels, batch.sizes_wh, strict=True)
    ]
    targets = [{"boxes": target.boxes_xyxy, "labels": target.labels + 1} for target in batch.targets]
    losses: torch.Tensor = sum(network(images, targets).values())
    return losses


BY_HAND: dict[str, tuple[str, Callable[[Any, Batch], torch.Tensor]]] = {
    "detr": ("detr", detr_by_hand),
    "frcnn": ("network", frcnn_by_hand),
}
"""Family -> where the framework's own network lies in ours, and its loss."""


FAMILIES = [*sorted(BY_HAND), "yolo"]


def ours(detector: LoopDetector, layout: Layout, recipe: Recipe, batches: list[Batch], device: str) -> Any:
    """A call that trains as many steps as there are batches, in the loop."""
    context = FitContext(Path(), 0, device, score_val=lambda found: {}, on_epoch=lambda epoch: False)
    training = _Training(detector.trainable, layout, recipe, context)
    training.loader = batches  # type: ignore[assignment]
    return lambda: training._train(Elapsed())


def by_hand(network: Any, loss_of: Any, recipe: Recipe, batches: list[Batch], device: str) -> Any:
    """The same, as one writes it."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )

    def steps() -> None:
        network.train()
        for batch in batches:
            loss = loss_of(network, batch.to(device))
            loss.backward()
            if recipe.clip_norm:
                torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip_norm)
            optimizer.step()
            optimizer.zero_grad()

    return steps


class _Passed(Exception):
    """An epoch of ultralytics' loop is over."""


def pass_of(trainer: Any, batches: list[dict[str, Any]]) -> Callable[[], None]:
    """A call that trains as many steps as there are batches in a trainer's own loop: an epoch of its
    `_do_train` up to where the validation begins, on batches that are in memory.
    """

    def leave(trainer: Any) -> None:
        raise _Passed

    trainer._setup_train()
    trainer.add_callback("on_train_epoch_end", leave)
    trainer.train_loader = _Fixed(batches, trainer.train_loader)
    trainer._setup_train = lambda: None  # it is set up

    def steps() -> None:
        with contextlib.suppress(_Passed):
            trainer._do_train()

    return steps


class _Fixed:
    """The same batches every time, in place of a loader."""

    def __init__(self, batches: list[dict[str, Any]], loader: Any) -> None:
        self._batches = batches
        self.dataset, self.num_workers, self.sampler = loader.dataset, 0, loader.sampler

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(batch) for batch in self._batches)


def yolo_pair(layout: Layout, given: argparse.Namespace, workdir: Path) -> tuple[Any, Any]:
    """Passes in plain ultralytics' trainer and in ours, the same settings, network and batches in both."""
    family = registry.family("yolo")
    recipe = Recipe(
        epochs=10_000, batch_size=given.batch, warmup_epochs=0.0, schedule="constant", image_size=96
    )
    plan = family.plan(variant="tiny", weights="none", options={}, recipe=recipe)
    from ultralytics.models.yolo.detect import DetectionTrainer

    from bench.adapters.yolo.trainer import Trainer

    def build() -> Any:
        return family.build(plan, classes=layout.classes, seed=0, device=given.device).model

    (workdir / "ours").mkdir()
    context = FitContext(
        workdir / "ours", 0, given.device, score_val=lambda found: {}, on_epoch=lambda record: False
    )
    ours = Trainer(plan, build(), layout, context)
    settings = {**vars(ours.args), "save_dir": str(workdir / "plain")}
    plain = DetectionTrainer(
        overrides={key: setting for key, setting in settings.items() if setting is not None}
    )
    plain.data, plain.build_dataset = ours.data, ours.build_dataset
    plain.model = build()
    mine = pass_of(ours, [])
    batch = next(iter(ours.get_dataloader("train", given.batch, -1, "train")))
    ours.train_loader = _Fixed([batch] * given.steps, ours.train_loader)
    # As many images as the rounds' batches have, so that no step of them is the last of the training.
    ours.steps.schedule.length = replace(
        ours.steps.schedule.length, images_per_epoch=given.batch * given.steps
    )
    return pass_of(plain, [batch] * given.steps), mine


def seconds(work: Callable[[], object], device: str) -> float:
    """CPU seconds on a CPU, wall seconds on a GPU that has finished."""
    if device == "cpu":
        begun = time.process_time()
        work()
        return time.process_time() - begun
    torch.cuda.synchronize(device)
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def measure(name: str, layout: Layout, given: argparse.Namespace) -> tuple[float, float, float]:
    """Median seconds of a step by hand and in the loop, and the median ratio of the rounds."""
    device = given.device
    if name == "yolo":
        with tempfile.TemporaryDirectory(prefix="bench-step-yolo-") as workdir:
            return compared(yolo_pair(layout, given, Path(workdir)), given)
    family = registry.family(name)
    recipe = Recipe(epochs=1, batch_size=given.batch, warmup_epochs=0.0, schedule="constant")
    plan = family.plan(variant="tiny", weights="none", options={}, recipe=recipe)
    pair: list[Any] = [family.build(plan, classes=layout.classes, seed=0, device=device) for _ in range(2)]
    batch = next(iter(feed.training(layout.examples("train"), plan.recipe, 0, device)[0]))
    batches = [batch] * given.steps
    inside, loss_of = BY_HAND[name]
    work = (
        by_hand(getattr(pair[0].trainable, inside), loss_of, plan.recipe, batches, device),
        ours(pair[1], layout, plan.recipe, batches, device),
    )
    return compared(work, given)


def compared(work: tuple[Any, Any], given: argparse.Namespace) -> tuple[float, float, float]:
    """`work` by hand and in the loop, in turns: median seconds of a step in either, and the median ratio."""
    device = given.device
    spans: list[tuple[float, float]] = []
    for number in range(given.rounds + 1):
        order = (0, 1) if number % 2 else (1, 0)
        took = {side: seconds(work[side], device) / given.steps for side in order}
        spans.append((took[0], took[1]))
    spans = spans[1:]  # the first pays for allocations
    hand, loop = (statistics.median(side) for side in zip(*spans, strict=True))
    return hand, loop, statistics.median(mine / theirs for theirs, mine in spans)


def main() -> int:
    settings = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    settings.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    settings.add_argument("--batch", type=int, default=8)
    settings.add_argument("--steps", type=int, default=10, help="in a round")
    settings.add_argument("--rounds", type=int, default=30)
    settings.add_argument("--device", default="cpu")
    given = settings.parse_args()
    if given.device == "cpu":
        torch.set_num_threads(1)
    table = Table("family", "by hand, ms", "our loop, ms", "ratio", "demanded", title="One training step")
    missed = False
    with tempfile.TemporaryDirectory(prefix="bench-step-") as folder:
        config = DataConfig(source="synthetic", synthetic=SyntheticConfig(images=40, size=96, seed=0))
        layout = prepare(config, Path(folder))
        for name in given.families:
            hand, loop, ratio = measure(name, layout, given)
            missed |= ratio > DEMANDED_RATIO
            table.add_row(name, f"{hand * 1e3:.2f}", f"{loop * 1e3:.2f}", f"{ratio:.3f}", f"{DEMANDED_RATIO}")
    Console().print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
