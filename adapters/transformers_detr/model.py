"""A detector of transformers as the loop trains it.

B images, N boxes in an image, Q queries, C classes.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub.errors import StrictDataclassError
from torch import Tensor, nn

from bench import files
from bench.adapters.loop.oracle import OracleNetwork
from bench.adapters.loop.trainable import IMAGENET, UNIT, Batch, DataAdaptation, RawDetections
from bench.adapters.query.capacity import most_objects
from bench.adapters.query.quiet import silenced
from bench.adapters.query.trainable import QueryTrainable, to_xyxy
from bench.adapters.transformers_detr.architecture import Architecture
from bench.adapters.transformers_detr.initialisation import initialise
from bench.adapters.transformers_detr.options import COSTS, QueryOptions
from bench.adapters.transformers_detr.oracle import OracleDetector
from bench.adapters.transformers_detr.planning import canvas_side
from bench.adapters.transformers_detr.proposals import proposal_losses
from bench.errors import ConfigError
from bench.layout import Example
from bench.recipe import InputSize

PRIOR = 0.01
"""Score of every class before training (Lin et al. 2017, section 4.1)."""

ENCODER, DENOISING = "_encoder", "_denoising"
"""Endings of the losses of the encoder's proposals and of the denoising queries."""

NO_LOSS = "cardinality_error"
"""Of transformers' loss: a figure without a gradient."""

_TERM = re.compile(r"(?P<name>loss_[a-z]+)(_(?P<kind>aux|dn))?(_(?P<layer>\d+))?")
"""transformers' names in `loss_dict`."""


class TransformersDetr(QueryTrainable):
    """PREFIXForObjectDetection of transformers with its own loss and post-processing."""

    def __init__(
        self,
        architecture: Architecture,
        options: QueryOptions,
        classes: Sequence[str],
        *,
        side: int,
        whole_backbone: bool = True,
    ) -> None:
        """`side`: the longest side of an input, in pixels. `whole_backbone`: see `prepare_backbone`."""
        self.normalisation = UNIT if architecture.normalisation == "unit" else IMAGENET
        super().__init__()
        self.architecture = architecture
        self.queries = int(options.queries or 0)
        self.side = canvas_side(side, architecture.strides(options.config))
        with silenced():
            config = build_config(architecture, options, classes)
            self.detector = getattr(transformers, f"{architecture.prefix}ForObjectDetection")(config)
        weights = {**architecture.loss_weights, **{part: getattr(options, f"{part}_loss") for part in COSTS}}
        components = list(weights)
        if architecture.selects_queries(options.config):
            components += [f"{part}{ENCODER}" for part in COSTS]
        if options.denoising:
            components += [f"{part}{DENOISING}" for part in weights]
        self.loss_weights = {name: weights[name.partition("_")[0]] for name in components}
        self.augment = options.augment
        initialise(self.detector, architecture)
        self.prepare_backbone(options.norm, whole=whole_backbone)

    @property
    def network(self) -> nn.Module:
        network: nn.Module = self.detector
        return network

    @property
    def backbone(self) -> nn.Module:
        part: nn.Module = self.detector.model.backbone
        return part

    @property
    def parts(self) -> Mapping[str, Sequence[nn.Module]]:
        return {part: self._modules_of(part) for part in self.architecture.parts}

    def _modules_of(self, part: str) -> list[nn.Module]:
        """Without those that this variant lacks."""
        known = dict(self.detector.named_modules())
        return [known[name] for name in self.architecture.parts[part] if name in known]

    @property
    def compilable(self) -> Sequence[nn.Module]:
        """Not the decoder, whose denoising queries depend on the batch."""
        return [self.detector.model.backbone, self.detector.model.encoder]

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Objects. The number of denoising queries depends on the image with the most objects of each batch:
        accumulation comes close to one large batch there, and does not equal it."""
        objects = max(sum(len(target.labels) for target in batch.targets), 1)
        found = dict.fromkeys(self.loss_weights, float(objects))
        return found | {name: float(len(batch)) for name in found if name.startswith("ddf")}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Losses summed over decoder layers; those of the encoder's proposals and of the denoising queries
        apart, with `_encoder` and `_denoising` at the end. Without such queries theirs is 0."""
        pixels, mask = self.inputs(batch)
        batch_labels = self.labels(batch)
        out = self.detector(pixel_values=pixels, pixel_mask=mask, labels=batch_labels)
        terms = [(self._component(name, out.loss_dict), loss) for name, loss in out.loss_dict.items()]
        if self.architecture.encoder_loss and out.enc_outputs_class is not None:
            terms += proposal_losses(out, batch_labels, self.detector.config).items()
        found = dict.fromkeys(self.loss_weights, 0 * out.logits.sum())
        for component, loss in terms:
            if component is not None:
                found[component] = found[component] + loss
        return found

    def _component(self, name: str, terms: Collection[str]) -> str | None:
        """Our name of one of transformers' `terms`; None for a figure that is no loss.

        Raises KeyError for an unknown one: none may get lost.
        """
        if name.startswith(NO_LOSS):
            return None
        term = _TERM.fullmatch(name)
        if term is None or term["name"] not in self.architecture.losses:
            raise KeyError(f"transformers' loss has an unknown term, {name}")
        ours = self.architecture.losses[term["name"]]
        if term["kind"] == "dn":
            return f"{ours}{DENOISING}"
        # The encoder's proposals are the last of the auxiliary outputs.
        last = term["kind"] == "aux" and f"loss_bbox_aux_{int(term['layer']) + 1}" not in terms
        return f"{ours}{ENCODER}" if last else ours

    def detect(self, batch: Batch) -> list[RawDetections]:
        """The best of all queries and classes."""
        pixels, mask = self.inputs(batch)
        out = self.detector(pixel_values=pixels, pixel_mask=mask)
        scores = out.logits.sigmoid().float()[..., : self.reported_classes]  # (B, Q, C)
        classes = scores.shape[-1]
        count = min(self.architecture.top or scores.shape[1], scores[0].numel())
        best, places = scores.flatten(1).topk(count, dim=1)
        boxes = out.pred_boxes.float().gather(1, (places // classes)[..., None].expand(-1, -1, 4))
        found = zip(to_xyxy(boxes, self.frames_wh(batch)), best, places % classes, strict=True)
        return [RawDetections(*one) for one in found]

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        pixels, mask = super().inputs(batch)
        if not self.architecture.square:
            return pixels, mask
        (width, height), (_, rows, columns) = self.frames_wh(batch)[0], mask.shape
        margin = (0, width - columns, 0, height - rows)
        return nn.functional.pad(pixels, margin), nn.functional.pad(mask, margin)

    def frames_wh(self, batch: Batch) -> tuple[tuple[int, int], ...]:
        """A network that sees the padding gets squares, the same for all images, and larger ones only where
        a training scales images up. Else what it finds in an image would depend on the others of a batch."""
        if not self.architecture.square:
            return batch.sizes_wh
        largest = max(self.side, *batch.pixels.shape[-2:])
        side = canvas_side(largest, self.architecture.strides(self.detector.config.to_dict()))
        return ((side, side),) * len(batch)

    def oracle(self) -> OracleNetwork:
        return OracleDetector(self.detector)

    def adapt_to_data(self, examples: Sequence[Example], size: InputSize) -> DataAdaptation:
        """Raises RecipeError where an image has more objects than there are queries."""
        most_objects(examples, self.queries)
        return DataAdaptation()

    def save_beside(self, folder: Path) -> None:
        """config.json: transformers loads such a folder, and so does `weights:`."""
        files.write_text(folder / "config.json", self.detector.config.to_json_string())


def check_config(architecture: Architecture, given: Mapping[str, Any]) -> None:
    """Raises ConfigError for a setting that transformers' config does not have; it would take any."""
    kind = getattr(transformers, f"{architecture.prefix}Config")
    with silenced():
        known = kind().to_dict()
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ConfigError(
            f"no setting of transformers' {kind.__name__}",
            record=f"options.config.{unknown[0]}",
            value=given[unknown[0]],
        )


def build_config(architecture: Architecture, options: QueryOptions, classes: Sequence[str]) -> Any:
    """The options as transformers' config. Raises ConfigError for values that it refuses."""
    kind = getattr(transformers, f"{architecture.prefix}Config")
    settings: dict[str, Any] = dict(options.config)
    with silenced():
        known = kind().to_dict()
    for part in COSTS:
        cost = getattr(options, f"{part}_cost")
        setting = architecture.costs[part]
        # Some configs take whole numbers only.
        settings[setting] = int(cost) if isinstance(known[setting], int) and cost == int(cost) else cost
    settings |= dict.fromkeys(architecture.loss_config.values(), 1.0)
    if architecture.frozen_norm is not None:
        settings[architecture.frozen_norm] = options.norm == "frozen"
    settings |= dict.fromkeys(architecture.queries, options.queries)
    if architecture.denoising is not None:
        settings[architecture.denoising] = options.denoising
    names = dict(enumerate(classes))
    labels = {"id2label": names, "label2id": {name: index for index, name in names.items()}}
    try:
        return kind(**{**settings, **architecture.fixed_config, **labels})
    except (StrictDataclassError, ValueError, TypeError) as error:
        raise ConfigError(
            f"transformers' {kind.__name__} refuses it: {error}", record="options.config"
        ) from None
