"""bench.yaml as a tree of plain values: parsed, and edited by --set and --models, before it is checked."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from bench.errors import ConfigError

Tree = dict[str, Any]

MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """YAML lets the later of two equal keys win, silently; a config that says a thing twice is a mistake."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ConfigError(
                    f"stands there twice, in lines {lines[key.value]} and {line}",
                    file=self.name,
                    record=f"key `{key.value}`",
                    hint="leave one of them out",
                )
            lines[key.value] = line
        return node


def parse(text: str, label: str) -> Tree:
    """The mapping that `text` holds; `label` is what messages call the file. Raises ConfigError."""
    try:
        tree = _load(text, label)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is no YAML: {error}", file=label) from None
    if not isinstance(tree, dict):
        raise ConfigError("should hold keys such as `data` and `models`", file=label, value=tree)
    return tree


def override(tree: Tree, settings: str) -> None:
    """Set one dotted key, 'a.b=value', in place. Raises ConfigError where a part of it can't be reached."""
    dotted, equals, text = settings.partition("=")
    if not equals:
        raise ConfigError("has no `=`", record="--set", value=settings, hint="write --set train.epochs=50")
    *way, last = (part.strip() for part in dotted.split("."))
    if not all((*way, last)):
        raise ConfigError("names no key", record="--set", value=settings, hint="write --set train.epochs=50")
    value = _value(text, settings)
    place: Any = tree
    for part in way:
        place = _step(place, part, settings)
    if isinstance(place, list):
        place[_index(place, last, settings)] = value
    else:
        place[last] = value


def select(tree: Tree, names: Sequence[str], label: str) -> None:
    """Leave the models of `names` alone in the tree: the file's entries, or the name as a family."""
    entries = tree.get("models") or []
    if not isinstance(entries, list):
        raise ConfigError("should be a list", file=label, record="models", value=entries)
    tree["models"] = [_entry(entries, name) for name in names]


def _load(text: str, label: str) -> Any:
    loader = _Loader(text)
    loader.name = label
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _value(text: str, settings: str) -> Any:
    try:
        return _load(text, "--set")
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"the value is no YAML: {reason}",
            record="--set",
            value=settings,
            hint="quote what is meant as text",
        ) from None


def _step(place: Any, part: str, settings: str) -> Any:
    if isinstance(place, list):
        index = _index(place, part, settings)
        if isinstance(place[index], str):
            family, _, variant = place[index].partition(":")
            place[index] = {"family": family, **({"variant": variant} if variant else {})}
        below = place[index]
    else:
        if place.get(part) is None:
            place[part] = {}
        below = place[part]
    if not isinstance(below, (dict, list)):
        raise ConfigError(f"`{part}` is a value, nothing lies below it", record="--set", value=settings)
    return below


def _index(items: list[Any], part: str, settings: str) -> int:
    names = [
        str(item.get("name", item.get("family"))) if isinstance(item, dict) else str(item) for item in items
    ]
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    raise ConfigError(
        f"no entry {part!r}", record="--set", value=settings, hint=f"there are: {', '.join(names)}"
    )


def _entry(entries: Sequence[Any], name: str) -> Any:
    for key in ("name", "family"):
        for entry in entries:
            if isinstance(entry, Mapping) and entry.get(key) == name:
                return entry
    for entry in entries:
        if isinstance(entry, str) and name in (entry, entry.partition(":")[0]):
            return entry
    return name


def changes(one: Mapping[str, Any], other: Mapping[str, Any], within: str = "") -> dict[str, tuple[Any, Any]]:
    """The dotted keys in which two trees differ, with the value of each; None where it is missing."""
    found: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*one, *other]):
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            found |= changes(mine, theirs, f"{within}{key}.")
        elif mine != theirs:
            found[f"{within}{key}"] = mine, theirs
    return found


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """`changes` as sentences: 'train.lr was 0.01, now 0.02'."""
    return [f"{key} was {old!r}, now {new!r}" for key, (old, new) in changes(before, now).items()]
