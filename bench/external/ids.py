"""Names in place of ids, by the COCO json that a tool was given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.external.predictions import Key, Predictions
from bench.external.truth import read_truth


def with_names(found: Predictions, coco_json: Path) -> Predictions:
    """`found` with file and class names where it has the ids of `coco_json`.

    Raises DataError for a json that can't be read, RunError for an id that it lacks.
    """
    truth = read_truth(coco_json, "test")
    files = dict(zip(truth.image_ids, (image["file_name"] for image in truth.coco["images"]), strict=True))
    classes = dict(zip(truth.category_ids, truth.classes, strict=True))
    for what, keys, names in (("image", found.images, files), ("class", found.classes, classes)):
        for place, key in enumerate(keys):
            if isinstance(key, int) and key not in names:
                raise found.error(place, f"{coco_json} has no {what} of this id", value=key, hint="see --ids")

    return replace(found, images=_named(found.images, files), classes=_named(found.classes, classes))


def _named(keys: Sequence[Key], names: Mapping[int, str]) -> list[Key]:
    return [names[key] if isinstance(key, int) else key for key in keys]
