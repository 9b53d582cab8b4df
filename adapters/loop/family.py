"""The base of families on the loop: builds a detector from a plan, and loads a stored one. No torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.adapters.class_map import ClassMap
from bench.detector import Detector, Plan

if TYPE_CHECKING:
    from bench.adapters.loop.trainable import Trainable


class LoopFamily:
    """A family adds its variants, `plan`, and the methods that are not implemented below."""

    name: str
    several_devices = True

    def build(self, plan: Plan, *, classes: Sequence[str], seed: int, device: str) -> Detector:
        import torch

        from bench.adapters.loop.detector import LoopCheckpointInfo, LoopDetector

        carried = self.known_classes(plan, classes)
        others = carried.others if carried else ()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trainable = self.make(plan, (*classes, *others))
        digest = None if plan.weights == "none" else self.start(trainable, plan, classes, carried)
        info = LoopCheckpointInfo(
            plan=plan,
            classes=tuple(classes),
            normalisation=self.normalisation(plan),
            weights_sha256=digest,
            class_map=carried.named() if carried else {},
            others=others,
        )
        return LoopDetector(trainable, info, device=device)

    def load(self, path: Path, *, device: str) -> Detector:
        from bench.adapters.loop.detector import LoopCheckpointInfo, LoopDetector, load_weights

        info = LoopCheckpointInfo.read(path, self.name)
        trainable = self.make(info.plan, info.head)
        load_weights(trainable, path)
        return LoopDetector(trainable, info, device=device)

    def make(self, plan: Plan, head: Sequence[str]) -> "Trainable":
        """The network with random weights and a class head of these names."""
        raise NotImplementedError

    def known_classes(self, plan: Plan, classes: Sequence[str]) -> ClassMap | None:
        """Of weights that are evaluated without training, else None. Raises RecipeError."""
        raise NotImplementedError

    def start(
        self, trainable: "Trainable", plan: Plan, classes: Sequence[str], carried: ClassMap | None
    ) -> str:
        """Load `plan.weights`, which is not 'none', into the network; returns the file's SHA-256."""
        raise NotImplementedError

    def normalisation(self, plan: Plan) -> str:
        """The norm layers, for the report."""
        raise NotImplementedError
