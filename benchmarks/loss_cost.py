"""What does the switch against class imbalance cost in a training step?

    python benchmarks/loss_cost.py [--families detr frcnn yolo] [--variant tiny] [--steps 4] [--rounds 100]

Forward, loss, backward and an optimiser step on one batch, in one process, in turns of some steps each: the
framework's own loss, then ours with each kind of `loss.classification`; who begins a round changes. The rate
is 0 and every step has the same seed, so that all do the same work. `standard` is measured against the
framework's own, the others against `standard`, by the median of the ratios of the rounds. Faster R-CNN's and
YOLO's `standard` is the framework's own, object for object: what those two ratios are off 1 is noise. On a
CPU torch has one thread and its CPU seconds count, because wall seconds mean little on a machine that does
other things. Exit code 1 where `standard` is over 1.01 or another over 1.02.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from transformers.loss.loss_for_object_detection import ForObjectDetectionLoss
from ultralytics.cfg import get_cfg

from bench import registry
from bench.adapters.loop import feed
from bench.adapters.loop.trainable import Batch
from bench.adapters.yolo.loss import class_loss, put_into
from bench.data_config import DataConfig, SyntheticConfig
from bench.datasets import prepare
from bench.detector import Detector, Plan
from bench.layout import Layout
from bench.recipe import Recipe

OWN = "the framework's own"
KINDS: Mapping[str, dict[str, Any]] = {
    OWN: {},
    "standard": {"classification": "standard"},
    "weighted": {"classification": "weighted"},
    "focal": {"classification": "focal"},
    "weighted_focal": {"classification": "weighted_focal", "focal_alpha": 0.25},
}
DEMANDED = {OWN: 1.0, "standard": 1.01, "weighted": 1.02, "focal": 1.02, "weighted_focal": 1.02}

Losses = Callable[[], torch.Tensor]


def looped(detector: Any, kind: str, plan: Plan, layout: Layout, batch: Batch) -> Losses:
    """DETR and Faster R-CNN, as the shared loop has them."""
    network, settings = detector.trainable, plan.recipe.loss
    if settings.changes_classification:
        network.set_class_loss(settings, layout.class_counts("train"), len(layout.examples("train")))
    elif kind == OWN and plan.family == "detr":
        network.detr.loss_function = ForObjectDetectionLoss
    return lambda: torch.stack(list(network(batch).values())).sum()


def ultralytics(detector: Any, kind: str, plan: Plan, layout: Layout, batch: Batch) -> Losses:
    """YOLO, without its trainer: ultralytics' own model, batch and criterion."""
    model = detector.model
    model.args = get_cfg()
    model.criterion = model.init_criterion()
    loss = class_loss(plan.recipe.loss, layout, None)
    if loss is not None:
        put_into(model.criterion, loss)
    height, width = batch.pixels.shape[-2:]
    sides = torch.tensor([width, height] * 2, device=batch.pixels.device)
    boxes = torch.cat([target.boxes_xyxy for target in batch.targets]) / sides
    rows = [torch.full((len(t.labels),), float(row)) for row, t in enumerate(batch.targets)]
    ready = {
        "img": batch.pixels.float() / 255,
        "batch_idx": torch.cat(rows).to(boxes),
        "cls": torch.cat([target.labels for target in batch.targets]).to(boxes)[:, None],
        "bboxes": torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1),
    }
    return lambda: model(ready)[0].sum()


LOSSES = {"detr": looped, "frcnn": looped, "yolo": ultralytics}


def step_of(name: str, kind: str, layout: Layout, given: argparse.Namespace) -> Callable[[], None]:
    """A call that does one training step."""
    family = registry.family(name)
    settings = {"epochs": 1, "batch_size": given.batch, "image_size": given.size, "loss": KINDS[kind]}
    recipe = Recipe.model_validate(settings)
    plan = family.plan(variant=given.variant, weights="none", options={}, recipe=recipe)
    detector: Detector = family.build(plan, classes=layout.classes, seed=0, device=given.device)
    loader, _ = feed.training(layout.examples("train"), plan.recipe, 0, given.device)
    batch = next(iter(loader)).to(given.device)
    losses = LOSSES[name](detector, kind, plan, layout, batch)
    network: Any = detector.model if name == "yolo" else detector.trainable  # type: ignore[attr-defined]
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.0, weight_decay=0.0, fused=True)

    def step() -> None:
        torch.manual_seed(0)
        losses().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()

    network.train()
    return step


def seconds(work: Callable[[], object], times: int, device: str) -> float:
    """Of one call: CPU seconds on a CPU, wall seconds on a GPU that has finished."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    if device != "cpu":
        torch.cuda.synchronize(device)
    begun = clock()
    for _ in range(times):
        work()
    if device != "cpu":
        torch.cuda.synchronize(device)
    return (clock() - begun) / times


def measure(name: str, layout: Layout, given: argparse.Namespace) -> dict[str, tuple[float, float]]:
    """Kind -> median seconds of a step, and the median ratio to what it is measured against."""
    steps = {kind: step_of(name, kind, layout, given) for kind in KINDS}
    kinds = list(KINDS)
    rounds: list[dict[str, float]] = []
    for number in range(given.rounds + 1):
        turn = number % len(kinds)
        order = kinds[turn:] + kinds[:turn]
        rounds.append({kind: seconds(steps[kind], given.steps, given.device) for kind in order})
    rounds = rounds[1:]  # the first pays for allocations
    found = {}
    for kind in kinds:
        peer = OWN if kind in (OWN, "standard") else "standard"
        ratio = statistics.median(one[kind] / one[peer] for one in rounds)
        found[kind] = statistics.median(one[kind] for one in rounds), ratio
    return found


def main() -> int:
    settings = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    settings.add_argument("--families", nargs="+", choices=sorted(LOSSES), default=sorted(LOSSES))
    settings.add_argument("--variant", default="tiny")
    settings.add_argument("--size", type=int, default=96, help="long side of the pictures")
    settings.add_argument("--batch", type=int, default=8)
    settings.add_argument("--rounds", type=int, default=100)
    settings.add_argument("--steps", type=int, default=4, help="in a turn")
    settings.add_argument("--device", default="cpu")
    given = settings.parse_args()
    if given.device == "cpu":
        torch.set_num_threads(1)
    table = Table("family", "class loss", "ms", "ratio", "demanded", title="One training step")
    missed = False
    with tempfile.TemporaryDirectory(prefix="bench-loss-") as folder:
        scenes = SyntheticConfig(images=40, size=given.size, seed=0)
        layout = prepare(DataConfig(source="synthetic", synthetic=scenes), Path(folder))
        for name in given.families:
            for kind, (took, ratio) in measure(name, layout, given).items():
                missed |= ratio > DEMANDED[kind]
                table.add_row(name, kind, f"{took * 1e3:.2f}", f"{ratio:.3f}", f"{DEMANDED[kind]}")
    Console().print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
