"""Whether there are queries enough for the objects of an image. Light."""

from collections.abc import Sequence

from bench.errors import RecipeError
from bench.layout import Example

SPARE_QUERIES = 1.5
"""Queries per object of the most crowded image, below which the ledger warns: DETR has 100 for COCO, whose
training images have up to 63 objects (Carion et al. 2020, section 4)."""


def most_objects(examples: Sequence[Example], queries: int) -> int:
    """Objects in the most crowded image, without crowds.

    Raises RecipeError if they are more than `queries`.
    """
    fullest = max(examples, key=lambda example: int((~example.crowd).sum()))
    objects = int((~fullest.crowd).sum())
    if objects > queries:
        raise RecipeError(
            f"the training picture {fullest.path.name} has {objects} objects: each needs its own query",
            record="options.queries",
            value=queries,
            hint=f"say at least {objects}, better {round(SPARE_QUERIES * objects)}",
        )
    return objects
