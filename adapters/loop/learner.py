"""What learns in a training of the loop: a network, who in it is frozen, its rates, one optimiser step."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from bench.adapters.loop import optimiser, precision, stages
from bench.adapters.loop.accumulation import Shares
from bench.adapters.loop.average import Average
from bench.adapters.loop.budget import Length, Spent
from bench.adapters.loop.freezing import Freezing
from bench.adapters.loop.means import Means
from bench.adapters.loop.schedule import factor, place
from bench.adapters.loop.trainable import Batch, Trainable
from bench.adapters.loop.validation import on_device
from bench.adapters.ranks import Ranks
from bench.recipe import Recipe


class Learner:
    """A network with its optimiser, by the rates and the frozen parts of the stage that it is in."""

    def __init__(self, trainable: Trainable, recipe: Recipe, device: str, ranks: Ranks) -> None:
        """Raises RecipeError for stages that freeze what the network does not have."""
        stages.check(recipe, list(trainable.parts), "this model")
        self.recipe = recipe
        self.device = device
        self.ranks = ranks
        self.accelerator = precision.accelerator(device, recipe)
        self.trainable = trainable.to(device)
        ranks.broadcast_parameters(trainable)
        precision.arrange(trainable, recipe)
        self.freezing = Freezing(trainable)
        self.stages = stages.resolved_stages(recipe)
        self.stage = self.stages[0]
        self.freezing.freeze(self.stage.freeze)
        self.optimizer = optimiser.make(recipe, optimiser.groups(trainable, self.stage.recipe))
        self.model = self.accelerator.prepare(trainable)
        self.average = Average(trainable, recipe.ema) if recipe.ema else None

    def enter(self, epoch: int) -> None:
        """Go on by the rates and the frozen parts of the stage that `epoch` (from 1) belongs to."""
        stage = stages.of_epoch(self.stages, epoch)
        if stage is not self.stage:
            self.stage = stage
            self.freezing.freeze(stage.freeze)
            optimiser.regroup(self.optimizer, optimiser.groups(self.trainable, stage.recipe))

    def set_rates(self, length: Length, spent: Spent) -> None:
        """Those of the step that comes after `spent`."""
        share = factor(self.stage.recipe, place(self.stage, length, spent))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak_lr"] * share

    @property
    def rates(self) -> dict[str, float]:
        """Of the last step, by the name of the group."""
        return {group["name"]: group["lr"] for group in self.optimizer.param_groups}

    def step(self, group: list[Batch], means: Means) -> int:
        """One optimiser step; the losses before it go into `means`. How many pictures all ranks took."""
        shares = Shares(self.trainable, group, self.ranks)
        for number, batch in enumerate(group):
            if not len(batch):  # a rank's part of a last batch that is smaller than the ranks are many
                continue
            losses: dict[str, torch.Tensor] = self.model(on_device(batch, self.recipe, self.device))
            names, stacked = tuple(losses), torch.stack(list(losses.values()))
            if not shares.alone:
                stacked = stacked * stacked.new_tensor([shares.of(number, name) for name in names])
            weights = [self.trainable.loss_weights.get(name, 1.0) for name in names]
            even = all(weight == 1.0 for weight in weights)
            self.accelerator.backward((stacked if even else stacked * stacked.new_tensor(weights)).sum())
            means.add_sums(names, stacked.detach().double() * shares.images, len(batch))
        self.ranks.all_reduce_gradients(self.trainable.parameters())
        optimiser.step(
            self.optimizer, self.trainable, clip_norm=self.recipe.clip_norm, scaler=self.accelerator.scaler
        )
        return shares.images

    def judged_weights(self) -> AbstractContextManager[None]:
        """Inside, the network has the weights that are validated and kept."""
        return nullcontext() if self.average is None else self.average.in_place()

    def state(self) -> dict[str, Any]:
        """What a training that is taken up again needs of it."""
        scaler = self.accelerator.scaler
        return {
            "weights": self.trainable.state_dict(),
            "average": [] if self.average is None else self.average.state(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }

    def load_state(self, parts: dict[str, Any], epoch: int) -> None:
        """Go back to a `state` that was left after `epoch`."""
        self.enter(epoch)
        self.trainable.load_state_dict(parts["weights"])
        self.optimizer.load_state_dict(parts["optimizer"])
        if self.accelerator.scaler is not None and parts["scaler"]:
            self.accelerator.scaler.load_state_dict(parts["scaler"])
        if self.average is not None:
            self.average.load_state(parts["average"])

    def end(self) -> None:
        """Leave the network bare, with the weights that were judged and all its parts free to learn."""
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        self.freezing.end()
        if self.average is not None:
            self.average.adopt()
