"""The DETR of transformers as the loop trains it.

Carion et al. 2020, End-to-End Object Detection with Transformers (arXiv:2005.12872).

B images, Q queries, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig

from bench import files
from bench.adapters.detr.checkpoint import FOCAL
from bench.adapters.detr.loss import Criterion
from bench.adapters.detr.options import Backbone, DetrOptions
from bench.adapters.detr.oracle import OracleDetr
from bench.adapters.loop.oracle import OracleNetwork
from bench.adapters.loop.trainable import Batch, DataAdaptation, RawDetections
from bench.adapters.losses.sigmoid import PRIOR_LOGIT, SigmoidLoss
from bench.adapters.losses.softmax import SoftmaxLoss
from bench.adapters.losses.weights import ExampleWeights
from bench.adapters.query.capacity import SPARE_QUERIES, most_objects
from bench.adapters.query.quiet import silenced
from bench.adapters.query.trainable import QueryTrainable, to_xyxy
from bench.detector import Plan
from bench.layout import Example
from bench.loss import LossConfig
from bench.recipe import InputSize
from bench.records import LedgerEntry, LossRecord

_COMPONENTS = {"loss_ce": "class", "loss_bbox": "box", "loss_giou": "giou"}


class Detr(QueryTrainable):
    """transformers' DETR as a Trainable."""

    def __init__(self, options: DetrOptions, classes: Sequence[str], *, whole_backbone: bool = True) -> None:
        """`whole_backbone`: all of it is trained, else all but its stem and first stage."""
        super().__init__()
        with silenced():
            self.detr = DetrForObjectDetection(config(options, classes))
        self._set_criterion(Criterion.of(options))
        self.sigmoid = options.focal == "sigmoid"
        self.loss_weights = {"class": options.class_loss, "box": options.box_loss, "giou": options.giou_loss}
        self.augment = options.augment
        _initialise(self.detr)
        if self.sigmoid:
            nn.init.constant_(self.detr.class_labels_classifier.bias, PRIOR_LOGIT)
        self.prepare_backbone(options.norm, whole=whole_backbone)

    @property
    def network(self) -> nn.Module:
        return self.detr

    @property
    def backbone(self) -> nn.Module:
        part: nn.Module = self.detr.model.backbone
        return part

    @property
    def parts(self) -> Mapping[str, Sequence[nn.Module]]:
        """The projection of the features goes with the encoder, the object queries with the decoder."""
        model = self.detr.model
        return {
            "backbone": [self.backbone],
            "encoder": [model.input_projection, model.encoder],
            "decoder": [model.query_position_embeddings, model.decoder],
            "head": [self.detr.class_labels_classifier, self.detr.bbox_predictor],
        }

    @property
    def compilable(self) -> Sequence[nn.Module]:
        """Not the matcher, which runs on the CPU."""
        return [self.detr.model]

    def counts(self, batch: Batch) -> Mapping[str, float]:
        """Boxes; for the classes the sum of the queries' weights, which is 1 for a matched one by default."""
        config = self.detr.config
        boxes = sum(len(target.labels) for target in batch.targets)
        class_loss = self._criterion.class_loss
        if isinstance(class_loss, SigmoidLoss):
            return {"box": boxes, "giou": boxes, "class": max(boxes, 1)}
        matched = sum(min(len(target.labels), config.num_queries) for target in batch.targets)
        free = len(batch) * config.num_queries - matched
        if class_loss is None:
            return {"box": boxes, "giou": boxes, "class": matched + config.eos_coefficient * free}
        # `adapt_to_data` has checked that there is a query for every object.
        *shares, empty = class_loss.share.tolist()
        taken = sum(shares[label] for target in batch.targets for label in target.labels.tolist())
        return {"box": boxes, "giou": boxes, "class": taken + empty * free}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """`class`, `box` (L1) and `giou`, each the sum over the decoder's layers, or of the last alone."""
        pixels, mask = self.inputs(batch)
        found = self.detr(pixel_values=pixels, pixel_mask=mask, labels=self.labels(batch)).loss_dict
        return {
            ours: torch.stack([found[key] for key in found if key.startswith(theirs)]).sum()
            for theirs, ours in _COMPONENTS.items()
        }

    def detect(self, batch: Batch) -> list[RawDetections]:
        """The best class of each query, as transformers' post_process_object_detection.

        With a sigmoid a class too: what differs from a softmax is then the loss alone. Deformable DETR's own
        way, the 100 best of all queries and classes, may name a query twice.
        """
        pixels, mask = self.inputs(batch)
        out = self.detr(pixel_values=pixels, pixel_mask=mask)
        probabilities = out.logits.sigmoid() if self.sigmoid else out.logits.softmax(-1)  # (B, Q, C + 1)
        scores, labels = probabilities[..., :-1].max(-1)  # (B, Q)
        boxes = to_xyxy(out.pred_boxes, batch.sizes_wh)
        return [
            RawDetections(*one).among(self.reported_classes)
            for one in zip(boxes, scores, labels, strict=True)
        ]

    def oracle(self) -> OracleNetwork:
        return OracleDetr(self.detr)

    def adapt_to_data(self, examples: Sequence[Example], size: InputSize) -> DataAdaptation:
        """Raises RecipeError where an image has more objects than there are queries."""
        queries = int(self.detr.config.num_queries)
        objects = most_objects(examples, queries)
        if queries >= SPARE_QUERIES * objects:
            return DataAdaptation()
        why = f"the most crowded training image has {objects} objects; queries to spare find more of them"
        return DataAdaptation(
            notes=(LedgerEntry(setting="queries", asked=str(queries), used=str(queries), why=why),)
        )

    def set_class_loss(
        self, settings: LossConfig, counts: Mapping[str, int], images: int
    ) -> LossRecord | None:
        """transformers' own loss has a weight of the background, which alone needs no other loss."""
        criterion = replace(self._criterion, class_loss=None)
        record = None
        if settings.classification != "standard" or settings.label_smoothing:
            queries = int(self.detr.config.num_queries)
            weights = ExampleWeights.of(settings, counts, background=criterion.no_object_weight)
            class_loss: SigmoidLoss | SoftmaxLoss
            if self.sigmoid:
                boxes = sum(counts.values()) / images
                class_loss = SigmoidLoss(weights, queries=queries, boxes_an_image=boxes)
            else:
                class_loss = SoftmaxLoss(weights, background="last")
            criterion, record = replace(criterion, class_loss=class_loss), class_loss.record()
        self._set_criterion(criterion)
        return record

    def _set_criterion(self, criterion: Criterion) -> None:
        self._criterion = criterion
        self.detr.loss_function = criterion

    def save_beside(self, folder: Path) -> None:
        """config.json: transformers loads such a folder, and so does `weights:`."""
        files.write_text(folder / "config.json", self.detr.config.to_json_string())


def make(plan: Plan, classes: Sequence[str]) -> Detr:
    """The network of `plan` with random weights."""
    return Detr(DetrOptions.model_validate(plan.options), classes, whole_backbone=plan.weights == "none")


def config(options: DetrOptions, classes: Sequence[str]) -> DetrConfig:
    """The options as transformers' config."""
    assert options.backbone is not None, "options are resolved"
    settings: dict[str, Any] = {
        "backbone_config": _resnet(options.backbone),
        "num_queries": options.queries,
        "d_model": options.width,
        "encoder_layers": options.encoder_layers,
        "decoder_layers": options.decoder_layers,
        "encoder_attention_heads": options.heads,
        "decoder_attention_heads": options.heads,
        "encoder_ffn_dim": options.feedforward,
        "decoder_ffn_dim": options.feedforward,
        "dropout": options.dropout,
        "eos_coefficient": options.no_object_weight,
        "auxiliary_loss": options.auxiliary_loss,
        **({FOCAL: options.focal} if options.focal == "sigmoid" else {}),
        "id2label": dict(enumerate(classes)),
        "label2id": {name: index for index, name in enumerate(classes)},
    }
    return DetrConfig(**settings)


def _resnet(backbone: Backbone) -> ResNetConfig:
    settings: dict[str, Any] = {
        "embedding_size": backbone.stem,
        "hidden_sizes": list(backbone.widths),
        "depths": list(backbone.depths),
        "layer_type": backbone.layer,
        "out_features": [f"stage{len(backbone.depths)}"],
    }
    return ResNetConfig(**settings)


def _initialise(detr: DetrForObjectDetection) -> None:
    """As in the paper's code: with transformers' initialisation, ten times smaller, it hardly learns.

    Xavier in the transformer (appendix A.4), torch's own elsewhere (facebookresearch/detr, models/).
    """
    for part in (detr.model.encoder, detr.model.decoder):
        for parameter in part.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
    nn.init.normal_(detr.model.query_position_embeddings.weight)
    for layer in (
        detr.model.input_projection,
        detr.class_labels_classifier,
        *detr.bbox_predictor.layers,
    ):
        layer.reset_parameters()
