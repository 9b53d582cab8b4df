"""Files that an earlier version of bench wrote, as today's version reads them.

Before 0.2 the ledger's `setting` was called `word`, and images were counted as `pictures`. Runs, checkpoints
and searches of then can still be reported, compared and used for prediction; unfinished ones are not resumed.
"""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Model = TypeVar("Model", bound=BaseModel)

_RENAMED = {
    "word": "setting",
    "picture": "image",
    "pictures": "images",
    "pictures_listed": "images_listed",
    "pictures_per_s": "images_per_s",
    "pictures_seen": "images_seen",
    "timed_pictures": "timed_images",
}

_BY_CLASS = frozenset({"class_map", "class_weights", "classes", "train_counts"})
"""Objects whose keys are names of classes: a class may be called `word`."""


def read(model: type[Model], content: bytes) -> Model:
    """`content` as a `model`, whichever version wrote it. Raises pydantic's ValidationError."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        try:
            return model.model_validate_json(json.dumps(upgrade(json.loads(content))))
        except ValueError:  # a ValidationError is one, too
            raise error from None


def upgrade(tree: Any) -> Any:
    """JSON values with today's names for the keys that have been renamed."""
    if isinstance(tree, list):
        return [upgrade(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        _RENAMED.get(key, key): value if key in _BY_CLASS and isinstance(value, dict) else upgrade(value)
        for key, value in tree.items()
    }


def column(name: str) -> str:
    """Today's name for a column of history.csv."""
    return _RENAMED.get(name, name)
