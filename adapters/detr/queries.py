"""Object queries and the objects that need them. Light: asked before anything is written, too."""

from collections.abc import Sequence

from bench.errors import RecipeError
from bench.layout import Example

SPARE_QUERIES = 1.5
"""Queries to an object of the most crowded image, under which the ledger warns: DETR has 100 for COCO, of
which a training image has up to 63 objects (Carion et al. 2020, section 4)."""


def most_objects(examples: Sequence[Example], queries: int) -> int:
    """Objects in the fullest image, crowds left out.

    Raises RecipeError where they are more than `queries`: each one needs a query of its own.
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
