"""Class tables: keep, drop, merge and rename, by one readable YAML mapping.

classes:                      # the classes that come out, in this order
  glass: [Broken glass, Glass bottle]     # merged
  can: Drink can                          # renamed
  Battery:                                # kept as it is
drop: [Shoe]                  # boxes are dropped, images stay
rest: error                   # classes not mentioned: error (the default), drop, keep,
                              # or `into: NAME`, one of the classes above
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from bench.datasets.dataset import Dataset
from bench.errors import DataError

DROPPED = -1
_KEYS = ("classes", "drop", "rest")


@dataclass(frozen=True)
class ClassTable:
    """`targets`: the source's class -> the resulting class, None if dropped."""

    name: str
    classes: tuple[str, ...]
    targets: Mapping[str, str | None]
    rest: Literal["error", "drop", "keep"] | tuple[Literal["into"], str] = "error"


def shipped() -> list[str]:
    """Names of the tables that come with the package."""
    folder = resources.files("bench.datasets.tables")
    return sorted(entry.name[: -len(".yaml")] for entry in folder.iterdir() if entry.name.endswith(".yaml"))


def read_table(given: str | Mapping[str, Any] | None) -> ClassTable | None:
    """A shipped table's name, a file, or the table itself; None keeps every class. Raises DataError."""
    if given is None:
        return None
    if not isinstance(given, str):
        return parse(given, "data.classes")
    if given in shipped():
        text = resources.files("bench.datasets.tables").joinpath(f"{given}.yaml").read_text(encoding="utf-8")
        return parse(yaml.safe_load(text), given)
    try:
        tree = yaml.safe_load(Path(given).read_text(encoding="utf-8"))
    except (FileNotFoundError, IsADirectoryError):
        raise DataError(
            "neither a shipped class table nor a file",
            record="data.classes",
            value=given,
            hint=f"shipped tables: {', '.join(shipped())}",
        ) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise DataError(f"can't be read as YAML: {error}", file=given) from None
    return parse(tree, given)


def parse(tree: Any, name: str) -> ClassTable:
    """Check a table's shape. Raises DataError."""
    if not isinstance(tree, Mapping) or not isinstance(tree.get("classes"), Mapping) or not tree["classes"]:
        raise DataError("a class table needs a mapping `classes`", file=name, hint="see datasets/classes.py")
    strange = [key for key in tree if key not in _KEYS]
    if strange:
        raise DataError("unknown key", file=name, value=strange[0], hint=f"known: {', '.join(_KEYS)}")
    targets: dict[str, str | None] = {}
    pairs: list[tuple[str, str | None]]
    pairs = [
        (old, str(new)) for new, given in tree["classes"].items() for old in _names(given, str(new), name)
    ]
    pairs += [(old, None) for old in _names(tree.get("drop") or [], None, name)]
    for old, new in pairs:
        if old in targets:
            raise DataError("the class is listed twice", file=name, value=old)
        targets[old] = new
    return ClassTable(name, tuple(str(new) for new in tree["classes"]), targets, _rest(tree, name))


def apply(dataset: Dataset, table: ClassTable | None) -> tuple[Dataset, dict[str, Any]]:
    """The dataset with the table's classes, and a description for the manifest.

    Images stay as background even if all their boxes are dropped.
    Raises DataError that lists every class the table does not mention.
    """
    boxes_of = np.bincount(dataset.boxes.label, minlength=len(dataset.classes))
    if table is None:
        return dataset, _account(dataset, boxes_of, {name: name for name in dataset.classes}, None)
    targets = _complete(dataset.classes, table)
    classes = list(table.classes)
    classes += [new for new in targets.values() if new is not None and new not in classes]
    index = {name: number for number, name in enumerate(classes)}
    new_label = np.array(
        [DROPPED if (new := targets[old]) is None else index[new] for old in dataset.classes], dtype=np.int64
    )
    label = new_label[dataset.boxes.label]
    boxes = replace(dataset.boxes, label=label).take(label != DROPPED)
    if not len(boxes):
        raise DataError("the class table drops every box", file=table.name)
    renamed = Dataset(tuple(classes), dataset.images, boxes)
    account = _account(dataset, boxes_of, targets, table.name)
    absent = [name for name in table.targets if name not in dataset.classes]
    return renamed, account | ({"absent": absent} if absent else {})


def _account(
    dataset: Dataset, boxes_of: NDArray[np.int64], targets: Mapping[str, str | None], table: str | None
) -> dict[str, Any]:
    rows = [
        {"source": old, "class": targets[old], "boxes": int(count)}
        for old, count in zip(dataset.classes, boxes_of, strict=True)
    ]
    return {"table": table, "rows": rows}


def _complete(classes: tuple[str, ...], table: ClassTable) -> dict[str, str | None]:
    """The target of every class of the source."""
    unmentioned = [name for name in classes if name not in table.targets]
    absent = [name for name in table.targets if name not in classes]
    if unmentioned and table.rest == "error":
        lines = [repr(name) + _guess(name, absent) for name in unmentioned]
        raise DataError(
            f"the class table does not mention {len(lines)} of the source's classes: {', '.join(lines)}",
            file=table.name,
            hint="list them under `classes` or `drop`, or set `rest:` to drop, keep or {into: NAME}",
        )
    if absent and table.rest != "error":
        # With `rest`, a misspelt class would silently be mapped elsewhere.
        raise DataError(
            f"the source has no class {absent[0]!r}" + _guess(absent[0], classes),
            file=table.name,
            hint=f"its classes: {', '.join(classes)}",
        )
    rest: dict[str, str | None] = {}
    for name in unmentioned:
        if isinstance(table.rest, tuple):
            rest[name] = table.rest[1]
        else:
            rest[name] = name if table.rest == "keep" else None
    return {name: table.targets.get(name, rest.get(name)) for name in classes}


def _names(given: Any, new: str | None, table: str) -> list[str]:
    """The source's classes that one entry names."""
    if given is None:
        return [str(new)]
    items = given if isinstance(given, list) else [given]
    if not all(isinstance(item, (str, int)) and not isinstance(item, bool) for item in items):
        raise DataError(
            "a class name should be a string, or a list of strings",
            file=table,
            record=new,
            value=given,
            hint="quote it",
        )
    return [str(item) for item in items]


def _rest(
    tree: Mapping[str, Any], name: str
) -> Literal["error", "drop", "keep"] | tuple[Literal["into"], str]:
    rest = tree.get("rest", "error")
    if rest == "error" or rest == "drop" or rest == "keep":
        return rest  # type: ignore[no-any-return]
    if isinstance(rest, Mapping) and list(rest) == ["into"] and rest["into"] in tree["classes"]:
        return "into", str(rest["into"])
    raise DataError(
        "`rest` should be error, drop, keep, or {into: one of the classes}", file=name, value=rest
    )


def _guess(name: str, known: tuple[str, ...] | list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f" (did you mean {close[0]!r}?)" if close else ""
