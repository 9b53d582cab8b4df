"""Reading files of earlier versions of bench.

Before 0.2 the ledger's `setting` was called `word`, and images `pictures`. Runs, checkpoints and searches of
those versions can be reported, compared and used for prediction; unfinished runs are not resumed.
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
"""Objects whose keys are class names: a class may be called `word`."""


def read(model: type[Model], content: bytes) -> Model:
    """`content`, of any version, as a `model`. Raises pydantic's ValidationError."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        try:
            return model.model_validate_json(json.dumps(upgrade(json.loads(content))))
        except ValueError:  # a ValidationError is one, too
            raise error from None


def upgrade(tree: Any) -> Any:
    """A JSON value with the current names of its keys."""
    if isinstance(tree, list):
        return [upgrade(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    return {
        _RENAMED.get(key, key): value if key in _BY_CLASS and isinstance(value, dict) else upgrade(value)
        for key, value in tree.items()
    }


def column(name: str) -> str:
    """The current name of a column of history.csv."""
    return _RENAMED.get(name, name)
