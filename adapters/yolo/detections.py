"""From the network's raw output to detections: in the validation during training, and in `predict`."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from ultralytics.models.yolo.detect import DetectionPredictor, DetectionValidator
from ultralytics.utils import ops
from ultralytics.utils.checks import check_imgsz
from ultralytics.utils.nms import non_max_suppression
from ultralytics.utils.patches import imread

from bench.adapters.yolo.quiet import preserve_threads
from bench.adapters.yolo.settings import device_argument
from bench.detector import MAX_DETECTIONS, SCORE_FLOOR, Detections
from bench.errors import DataError

Image = NDArray[np.uint8]

NO_TIME_LIMIT_S = 1e6
"""ultralytics' suppression stops after 2 s and 0.05 s per image and leaves the rest of a batch without
detections: figures would depend on the load of the machine."""


def suppress(raw: Any, args: Any, *, multi_label: bool, end2end: bool, max_det: int) -> list[Tensor]:
    """One (N, 6) tensor an image: x1, y1, x2, y2 in pixels of the input, score, class; best first."""
    found: list[Tensor] = non_max_suppression(
        raw,
        args.conf,
        args.iou,
        multi_label=multi_label,
        max_det=max_det,
        max_time_img=NO_TIME_LIMIT_S,
        end2end=end2end,
    )
    return found


def detections(boxes: Tensor, scores: Tensor, labels: Tensor) -> Detections:
    """Tensors on any device, boxes in pixels of the original image."""
    return Detections.best(
        boxes.double().cpu().numpy(), scores.double().cpu().numpy(), labels.long().cpu().numpy()
    )


class JudgedValidator(DetectionValidator):  # type: ignore[misc]  # ultralytics has no types
    """ultralytics' validation, which also keeps the detections of each image for the harness's judge."""

    multi_label = True
    found: dict[str, Detections]

    def init_metrics(self, model: Any) -> None:
        super().init_metrics(model)
        self.found = {}

    def postprocess(self, preds: Any) -> list[dict[str, Tensor]]:
        kept = suppress(
            preds,
            self.args,
            multi_label=self.multi_label,
            end2end=self.end2end,
            max_det=self.args.max_det,
        )
        return [{"bboxes": x[:, :4], "conf": x[:, 4], "cls": x[:, 5], "extra": x[:, 6:]} for x in kept]

    def update_metrics(self, preds: list[dict[str, Tensor]], batch: dict[str, Any]) -> None:
        super().update_metrics(preds, batch)
        for index, (pred, file) in enumerate(zip(preds, batch["im_file"], strict=True)):
            place = {
                "imgsz": batch["img"].shape[2:],
                "ori_shape": batch["ori_shape"][index],
                "ratio_pad": batch["ratio_pad"][index],
            }
            boxes = self.scale_preds(pred, place)["bboxes"]
            self.found[file] = detections(boxes, pred["conf"], pred["cls"])


class Predictor(DetectionPredictor):  # type: ignore[misc]  # ultralytics has no types
    """ultralytics' predictor, set up once; images are decoded by what decodes them in training."""

    def __init__(self, model: Any, *, image_size: int, iou: float, multi_label: bool, device: str) -> None:
        super().__init__(
            overrides={
                "task": "detect",
                "mode": "predict",
                "imgsz": image_size,
                "conf": SCORE_FLOOR,
                "iou": iou,
                "max_det": MAX_DETECTIONS,
                "device": device_argument(device),
                "save": False,
                "verbose": False,
                "rect": True,
                "save_dir": ".",  # nothing is saved; without it a numbered folder is looked for
            }
        )
        self.multi_label = multi_label
        with preserve_threads():
            self.setup_model(model, verbose=False)
        self.imgsz = check_imgsz(image_size, stride=self.model.stride, min_dim=2)

    def detect(self, images: Sequence[Path], *, batch_size: int) -> Iterator[Detections]:
        """In the order of `images`, a batch at a time."""
        for start in range(0, len(images), batch_size):
            yield from self._batch([read_image(path) for path in images[start : start + batch_size]])

    def _batch(self, arrays: list[Image]) -> list[Detections]:
        """Images of one shape go through the network together.

        ultralytics pads a batch of mixed shapes to squares: the detections in an image would depend on the
        others. A batch of one shape is padded to the smallest rectangle, as a single image is.
        """
        found: dict[int, Detections] = {}
        order = sorted(range(len(arrays)), key=lambda index: arrays[index].shape)
        for _, same in groupby(order, key=lambda index: arrays[index].shape):
            indices = list(same)
            found |= zip(indices, self._alike([arrays[index] for index in indices]), strict=True)
        return [found[index] for index in range(len(arrays))]

    @torch.inference_mode()
    def _alike(self, arrays: list[Image]) -> list[Detections]:
        pixels = self.preprocess(arrays)  # (B, 3, H, W)
        kept = suppress(
            self.model(pixels),
            self.args,
            multi_label=self.multi_label,
            end2end=getattr(self.model, "end2end", False),
            max_det=self.args.max_det,
        )
        return [
            detections(ops.scale_boxes(pixels.shape[2:], x[:, :4], array.shape), x[:, 4], x[:, 5])
            for x, array in zip(kept, arrays, strict=True)
        ]


def read_image(path: Path) -> Image:
    """(H, W, 3) uint8, BGR, grey images spread over three channels."""
    image: Image | None = imread(path)
    if image is None:
        raise DataError("can't be read as a picture", file=path)
    return image
