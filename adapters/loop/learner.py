"""A network while it is trained: its optimiser, its frozen parts, its rates, and one optimiser step."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from bench.adapters.loop import optimiser, precision
from bench.adapters.loop.accumulation import BatchWeights
from bench.adapters.loop.ema import ModelEma
from bench.adapters.loop.freezing import Freezing
from bench.adapters.loop.means import MeanLosses
from bench.adapters.loop.trainable import Batch, Trainable
from bench.adapters.training import stages
from bench.adapters.training.budget import Elapsed, Length
from bench.adapters.training.ranks import Ranks
from bench.adapters.training.schedule import lr_factor, position
from bench.devices import on_gpu
from bench.recipe import Recipe


class Learner:
    """A network with its optimiser, at the rates and with the frozen parts of the present stage."""

    def __init__(self, trainable: Trainable, recipe: Recipe, device: str, ranks: Ranks) -> None:
        """Raises RecipeError for stages that freeze what the network does not have."""
        stages.check(recipe, list(trainable.parts), "this model")
        self.recipe = recipe
        self.ranks = ranks
        if on_gpu(device):
            torch.cuda.set_device(torch.device(device))
        self.precision = precision.Precision(recipe, device)
        self.trainable = trainable.to(device)
        ranks.broadcast_parameters(trainable)
        precision.arrange(trainable, recipe)
        self.freezing = Freezing(trainable)
        self.stages = stages.resolved_stages(recipe)
        self.stage = self.stages[0]
        self.freezing.freeze(self.stage.freeze)
        self.optimizer = optimiser.make(recipe, optimiser.groups(trainable, self.stage.recipe))
        self.average = ModelEma(trainable, recipe.ema) if recipe.ema else None

    def enter(self, epoch: int) -> None:
        """Take the rates and the frozen parts of the stage that `epoch` (from 1) belongs to."""
        stage = stages.of_epoch(self.stages, epoch)
        if stage is not self.stage:
            self.stage = stage
            self.freezing.freeze(stage.freeze)
            optimiser.regroup(self.optimizer, optimiser.groups(self.trainable, stage.recipe))

    def set_rates(self, length: Length, elapsed: Elapsed) -> None:
        """Those of the step that comes after `elapsed`."""
        share = lr_factor(self.stage.recipe, position(self.stage, length, elapsed))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share

    @property
    def rates(self) -> dict[str, float]:
        """Of the last step, by the name of the group."""
        return {group["name"]: group["lr"] for group in self.optimizer.param_groups}

    def step(self, group: list[Batch], means: MeanLosses) -> int:
        """One optimiser step; its losses are added to `means`. The number of images, of all ranks."""
        batches = BatchWeights(self.trainable, group, self.ranks)
        for number, batch in enumerate(group):
            if not len(batch):  # a last batch with fewer images than ranks
                continue
            losses = self.precision.losses(self.trainable, self.precision.to_device(batch))
            names, stacked = tuple(losses), torch.stack(list(losses.values()))
            if not batches.single:
                stacked = stacked * stacked.new_tensor([batches.weight(number, name) for name in names])
            weights = [self.trainable.loss_weights.get(name, 1.0) for name in names]
            even = all(weight == 1.0 for weight in weights)
            loss = (stacked if even else stacked * stacked.new_tensor(weights)).sum()
            self.precision.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            means.add_sums(names, stacked.detach().double() * batches.images, len(batch))
        self.ranks.all_reduce_gradients(self.trainable.parameters())
        optimiser.step(
            self.optimizer, self.trainable, clip_norm=self.recipe.clip_norm, scaler=self.precision.scaler
        )
        return batches.images

    def validated_weights(self) -> AbstractContextManager[None]:
        """Inside, the network has the weights that are validated and stored."""
        return nullcontext() if self.average is None else self.average.applied()

    def state(self) -> dict[str, Any]:
        """All that a resumed training needs."""
        return {
            "weights": self.trainable.state_dict(),
            "average": [] if self.average is None else self.average.state(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
        }

    def load_state(self, parts: dict[str, Any], epoch: int) -> None:
        """Go back to the `state` after `epoch`."""
        self.enter(epoch)
        self.trainable.load_state_dict(parts["weights"])
        self.optimizer.load_state_dict(parts["optimizer"])
        self.precision.scaler.load_state_dict(parts["scaler"])
        if self.average is not None:
            self.average.load_state(parts["average"])

    def end(self) -> None:
        """Leave the network with the weights that are validated, and nothing of it frozen."""
        self.freezing.end()
        if self.average is not None:
            self.average.apply()
