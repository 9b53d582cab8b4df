"""bench.yaml as a tree of plain values: parsed, then edited by --set and --models, before it is checked."""

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from bench.errors import ConfigError

Tree = dict[str, Any]

MERGE = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, of which YAML would silently use the last."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ConfigError(
                    f"is given twice, in lines {lines[key.value]} and {line}",
                    file=self.name,
                    record=f"key `{key.value}`",
                    hint="remove one of them",
                )
            lines[key.value] = line
        return node


def parse(text: str, label: str) -> Tree:
    """The mapping in `text`; `label` is the file's name in messages. Raises ConfigError."""
    try:
        tree = _load(text, label)
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is not valid YAML: {error}", file=label) from None
    except RecursionError:
        raise ConfigError("is nested too deeply", file=label, hint="check its brackets") from None
    if not isinstance(tree, dict):
        raise ConfigError("should hold keys such as `data` and `models`", file=label, value=tree)
    return tree


def copy(source: Mapping[str, Any]) -> Tree:
    """`source` as the parser would give it: dicts and lists at every level, none of them shared."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: plain(below) for key, below in value.items()}
        return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value

    return {key: plain(value) for key, value in source.items()}


def override(tree: Tree, setting: str) -> None:
    """`assign` for 'a.b=value', with the value in YAML. Raises ConfigError."""
    dotted, equals, text = setting.partition("=")
    if not equals:
        raise ConfigError("has no `=`", record="--set", value=setting, hint="write --set train.epochs=50")
    assign(tree, dotted, _value(text, setting), shown=setting, record="--set")


def assign(tree: Tree, dotted: str, value: Any, *, shown: str, record: str = "overrides") -> None:
    """Set the key `dotted`, as in 'train.epochs', in place.

    Raises ConfigError, about `shown` in `record`, where a part of the key can't be reached.
    """
    *parents, last = (part.strip() for part in dotted.split("."))
    if not all((*parents, last)):
        raise ConfigError("names no key", record=record, value=shown, hint="a key is like train.epochs")
    place: Any = tree
    try:
        for part in parents:
            place = _child(place, part)
        if isinstance(place, list):
            place[_index(place, last)] = value
        else:
            place[last] = value
    except _UnreachableError as error:
        raise ConfigError(error.message, record=record, value=shown, hint=error.hint) from None


class _UnreachableError(Exception):
    """A part of a dotted key leads nowhere."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message, self.hint = message, hint


def select(tree: Tree, names: Sequence[str], label: str) -> None:
    """Keep only the models of `names`: entries of the file, else the name as a family."""
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


def _value(text: str, setting: str) -> Any:
    try:
        return _load(text, "--set")
    except RecursionError:
        raise ConfigError(
            "the value is nested too deeply", record="--set", value=setting[:80], hint="check its brackets"
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(
            f"the value is not valid YAML: {reason}",
            record="--set",
            value=setting,
            hint="put text in quotes",
        ) from None


def _child(place: Any, part: str) -> Any:
    """What lies below `place` under the name `part`; made where nothing is."""
    if isinstance(place, list):
        index = _index(place, part)
        if isinstance(place[index], str):
            family, _, variant = place[index].partition(":")
            place[index] = {"family": family, **({"variant": variant} if variant else {})}
        below = place[index]
    else:
        if place.get(part) is None:
            place[part] = {}
        below = place[part]
    if not isinstance(below, (dict, list)):
        raise _UnreachableError(f"`{part}` is a value and has no keys")
    return below


def _index(items: list[Any], part: str) -> int:
    names = [
        str(item.get("name", item.get("family"))) if isinstance(item, dict) else str(item) for item in items
    ]
    if part in names:
        return names.index(part)
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    raise _UnreachableError(f"no entry {part!r}", f"there are: {', '.join(names)}")


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
