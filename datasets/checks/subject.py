"""What the checks look at: a source, its inspected image files, and its boxes in upright pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bench import image_groups
from bench.datasets.checks.finding import EXAMPLES, Example
from bench.datasets.dataset import NO_SPLIT, Dataset, Source
from bench.datasets.image_files import ImageFile
from bench.datasets.repairs import Repair
from bench.layout import SPLITS


@dataclass(frozen=True)
class Subject:
    """A source that has been read, with its images inspected."""

    source: Source
    image_files: Sequence[ImageFile]  # (N,), or empty where the source is known_good
    dataset: Dataset  # boxes in upright pixels, neither clipped nor dropped
    usable: NDArray[np.bool_]  # (N,) images that can be trained on
    repairs: Sequence[Repair]  # of reading and of fitting boxes to images
    group: str  # rule of bench.datasets.names.groups
    known: frozenset[str] | None = None  # names of images that exist somewhere, if there is a list of them

    @cached_property
    def split_names(self) -> list[str]:
        """The published split of each image, '' where there is none."""
        return [
            "" if number == NO_SPLIT else SPLITS[number] for number in self.dataset.images.splits.tolist()
        ]

    @cached_property
    def published(self) -> bool:
        return bool((self.dataset.images.splits != NO_SPLIT).any())

    @cached_property
    def unknown(self) -> NDArray[np.bool_]:
        """Of the source's missing images, those that the list of known names lacks."""
        missing = self.source.missing
        if missing is None or self.known is None:
            return np.zeros(0 if missing is None else len(missing.images), dtype=np.bool_)
        return np.array([name not in self.known for name in missing.images.names.tolist()], dtype=np.bool_)

    @cached_property
    def groups(self) -> list[str]:
        """The group of each image by `group`."""
        return image_groups.groups(self.dataset.images.names.tolist(), self.group)

    @cached_property
    def real(self) -> NDArray[np.bool_]:
        """Boxes of usable images that are no crowds, (M,)."""
        return self.usable[self.dataset.boxes.image] & ~self.dataset.boxes.crowd

    def image_example(self, row: int, detail: str = "") -> Example:
        """An image as an example."""
        images = self.dataset.images
        path = str(images.paths[row])
        return Example(str(images.names[row]), "", detail, path, path if self.usable[row] else "")

    def box_examples(self, rows: NDArray[np.intp], partners: NDArray[np.intp] | None = None) -> list[Example]:
        """The first of the boxes `rows` as examples; `partners` are shown with them. Counts go apart."""
        boxes, examples = self.dataset.boxes, []
        for position, row in enumerate(rows[:EXAMPLES].tolist()):
            image = int(boxes.image[row])
            meant = [row] if partners is None else [row, int(partners[position])]
            numbers = [f"{self.source.record_name} {boxes.record[one]}" for one in meant]
            labels = [self.dataset.classes[boxes.label[one]] for one in meant]
            corners = [tuple(float(f"{side:.6g}") for side in boxes.xyxy[one].tolist()) for one in meant]
            base = self.image_example(image)
            examples.append(
                Example(
                    base.image,
                    " and ".join(numbers),
                    "; ".join(f"{label} {corner}" for label, corner in zip(labels, corners, strict=True)),
                    self.annotation_file(image),
                    base.path,
                    boxes_xyxy=tuple((a, b, c, d) for a, b, c, d in corners),
                )
            )
        return examples

    def annotation_file(self, image: int) -> str:
        """Where the image's boxes are written."""
        if self.source.annotation_paths is not None:
            return str(self.source.annotation_paths[image])
        files = self.source.metadata.get("annotations") or [{}]
        return str(files[0].get("file", ""))
